package manifest

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// What the manifest leaves out has a value by which a verdict is drawn.
func TestDefaultsOfAnExperiment(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, strings.Replace(whole, "run: {rate: 3, work: 200ms}\n", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if step.Run.Rate != 2 || step.Experiments[0].Settle.Std() != 2040*time.Millisecond ||
		step.Experiments[0].Limit.Std() != 10*time.Second {
		t.Errorf("rate %v, settle %v", step.Run.Rate, step.Experiments[0].Settle.Std())
	}
	text := strings.Replace(whole, "    load: {count: 100}\n",
		"    load: {count: 100}\n    settle: 700ms\n", 1)
	if step, err = Read(write(t, text)); err != nil {
		t.Fatal(err)
	}
	if step.Run.Rate != 3 || step.Experiments[1].Settle.Std() != 700*time.Millisecond {
		t.Errorf("rate %v, settle %v", step.Run.Rate, step.Experiments[1].Settle.Std())
	}
	for _, name := range []string{"", Right} {
		if v, err := step.Variant(name); err != nil || v.Name != Right {
			t.Errorf("variant %q is %q, %v", name, v.Name, err)
		}
	}
}

// What would make an experiment say nothing, or fail in the middle of a run, is found before it.
func TestMistakesThatWouldShowLate(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, old, new, want string }{
		{"no processes", whole, "title: x\n", "has at least one"},
		{"negative count", "count: 2", "count: -2", "-2 is not from 0 to 64"},
		{"negative in-flight", "in-flight: 10", "in-flight: -1", "cannot be negative"},
		{"negative up-to", "http: true", "http: true\n    up-to: -1", "-1 is not from 0 to 64"},
		{"a process without a name", "name: old-consumer", `name: ""`, "process 3: name: is missing"},
		{"an experiment without a name", "name: kill\n", "name: \"\"\n",
			"experiment 1: name: is missing"},
		{"scale of nobody", "load: {count: 100}", "load: {count: 100}\n    scale: {clerk: 2}",
			`no process "clerk"`},
		{"a variant's env", "about: acknowledges on delivery", `env: {A: '{{url "nobody"}}'}`,
			"serves http"},
		{"an experiment's env", "load: {count: 100}", "load: {count: 100}\n" +
			`    env: {A: '{{url "consumer"}}'}`, "serves http"},
		{"limit", "load: {count: 100}", "load: {count: 100}\n    limit: -1s", "negative"},
		{"no act", "at 2s: kill consumer-1", "at 2s: []", "what is to happen is missing"},
		{"before the start", "at 2s: kill", "at -2s: kill", "is no time"},
		{"no timeline", "at 2s: kill consumer-1\n      at 1s..3s: [restart rabbitmq, poison 3]\n" +
			"      every 1s: kill consumer", "- kill consumer", "faults: want keys and values"},
		{"no conditions", "      lost: \"> 0\"\n      processed by consumer-2: 0",
			"      - lost", "want keys and values"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(whole, c.old, c.new, 1)
			if text == whole {
				t.Fatalf("%q is not in the manifest", c.old)
			}
			_, err := Read(write(t, text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got: %v", c.want, err)
			}
		})
	}
}

// A program that runs once has none of what belongs to a shop, each by itself.
func TestOnceHasNothingOfAShop(t *testing.T) {
	t.Parallel()
	for _, field := range []string{
		"orders: true", "control: true", "in-flight: 1", "count: 2",
	} {
		text := strings.Replace(wholeOnce, "once: true", "once: true\n    "+field, 1)
		_, err := Read(write(t, text))
		if err == nil || !strings.Contains(err.Error(), "once: it has no") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, part := range []string{
		"run: {work: 1s}", "inject: {poison: [./x]}", "inject: {duplicate: [./x]}",
	} {
		text := strings.Replace(wholeOnce, "title:", part+"\ntitle:", 1)
		if _, err := Read(write(t, text)); err == nil || !strings.Contains(err.Error(), "nobody places") {
			t.Errorf("%s: %v", part, err)
		}
	}
	for _, part := range []string{
		"load: {count: 1}", "scale: {talk: 2}", "faults: {at 1s: kill talk}", "settle: 1s",
	} {
		text := strings.Replace(wholeOnce, "limit: 2s", part, 1)
		if _, err := Read(write(t, text)); err == nil || !strings.Contains(err.Error(), "has no load") {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestConditionsAsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		figure, text string
		op           string
		bound        float64
	}{
		{"lost", "  > 3 ", ">", 3}, {"answer p99", "<= 250ms", "<=", 0.25},
		{"refusal p50", "<1s", "<", 1}, {"availability", ">= 99.5", ">=", 99.5},
		{"prints", "a and b", ">", 0}, {"prints no", "a", "=", 0}, {"ends", "within 2s", "<=", 2},
		{"processed by consumer-2", "0", "=", 0}, {"highest depth", "= 7", "=", 7},
		{"services per trace", "3", "=", 3},
	} {
		got, err := ParseCondition(c.figure, c.text)
		if err != nil || got.Op != c.op || got.Limit != c.bound || got.Than != "" {
			t.Errorf("%s %q: %+v, %v", c.figure, c.text, got, err)
		}
	}
	for _, figure := range []string{"processed by ", "highest ", "luck", ""} {
		if _, err := ParseCondition(figure, "0"); err == nil {
			t.Errorf("%q is a figure", figure)
		}
	}
	for figure, text := range map[string]string{
		"answer p99": "250", "recovers": "never", "lost": "-1", "duplicated": "<= in flight",
	} {
		if c, err := ParseCondition(figure, text); err == nil {
			t.Errorf("%s %q is a bound: %+v", figure, text, c)
		}
	}
	// What a program prints may have an "and" in it; a figure has two bounds then.
	for figure, want := range map[string]int{"prints": 1, "prints no": 1, "lost": 2} {
		if got := conditionsOf(figure, []string{"> 0 and < 5"}); len(got) != want {
			t.Errorf("%s has the bounds %+v", figure, got)
		}
	}
}

// A moment drawn by chance lies between its bounds, whatever chance says.
func TestDrawnMomentsStayInTheirBounds(t *testing.T) {
	t.Parallel()
	faults := Timeline{{From: time.Second, To: 1100 * time.Millisecond, Acts: []string{"kill a"}}}
	for seed := range uint64(200) {
		for _, m := range faults.Schedule(rand.New(rand.NewPCG(seed, 0)), time.Minute) {
			if m.At < time.Second || m.At > 1100*time.Millisecond {
				t.Fatalf("seed %d: %v", seed, m.At)
			}
		}
	}
	again := Timeline{{
		From: time.Second, To: 2 * time.Second, Every: true, Acts: []string{"kill a", "start a"},
	}}
	moments := again.Schedule(rand.New(rand.NewPCG(1, 0)), 10*time.Second)
	if n := len(moments); n < 10 || n > 20 || moments[n-1].At >= 10*time.Second {
		t.Errorf("%d moments in 10 s: %v", n, moments)
	}
	for i := 1; i < len(moments); i += 2 {
		if moments[i-1].Act != "kill a" || moments[i].Act != "start a" ||
			moments[i-1].At != moments[i].At {
			t.Errorf("acts of one line are not done together: %v", moments[i-1:i+1])
		}
	}
}
