package manifest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "07-rabbitmq")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

const whole = `
title: A work queue
needs: [rabbitmq, redis x5]
processes:
  - name: producer
    http: true
  - name: consumer
    count: 2
    in-flight: 10
run: {rate: 3, work: 200ms}
variants:
  - name: auto-ack
    about: acknowledges on delivery
inject:
  poison: [./inject, -kind, garbage]
experiments:
  - name: kill
    load: {rate: 50, for: 4s, work: 20ms}
    faults:
      at 2s: kill consumer-1
      at 1s..3s: [restart rabbitmq, poison 3]
      every 1s: kill consumer
    promises:
      lost: 0
      duplicated: <= in-flight
      recovers: within 10s
  - name: kill-auto-ack
    variant: auto-ack
    load: {count: 100}
    shows:
      lost: "> 0"
      processed by consumer-2: 0
`

func TestRead(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	if step.Number != "07" || step.Name != "07-rabbitmq" || len(step.Processes) != 2 {
		t.Errorf("got %+v", step)
	}
	producer, consumer := step.Processes[0], step.Processes[1]
	if !producer.Orders || producer.Package != "./producer" || producer.Count != 1 {
		t.Errorf("the defaults of the producer are not filled in: %+v", producer)
	}
	if consumer.Orders || consumer.Count != 2 || consumer.InFlight != 10 {
		t.Errorf("consumer: %+v", consumer)
	}
	if work := step.Run.WorkTime(); work == nil || *work != 200*time.Millisecond {
		t.Errorf("work is %v", work)
	}
	kill, err := step.Experiment("kill")
	if err != nil {
		t.Fatal(err)
	}
	if kill.Variant != Right || len(kill.Faults) != 3 || len(kill.Promises) != 3 {
		t.Errorf("experiment: %+v", kill)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	kill, err := step.Experiment("kill")
	if err != nil {
		t.Fatal(err)
	}
	schedule := func(seed uint64) []Moment {
		return kill.Faults.Schedule(rand.New(rand.NewPCG(seed, 0)), 4*time.Second)
	}
	first := schedule(7)
	if !slices.Equal(first, schedule(7)) {
		t.Error("the same seed gives other moments")
	}
	if slices.Equal(first, schedule(8)) {
		t.Error("another seed gives the same moments")
	}
	var kills int
	for i, m := range first {
		if i > 0 && m.At < first[i-1].At {
			t.Errorf("moments are out of order: %v", first)
		}
		if m.Act == "restart rabbitmq" && (m.At < time.Second || m.At > 3*time.Second) {
			t.Errorf("restart at %v, outside its bounds", m.At)
		}
		if m.Act == "kill consumer" {
			kills++
		}
	}
	if kills != 3 {
		t.Errorf("every 1s of 4s: want 3 kills, got %d", kills)
	}
}

// What a student will mistype must be answered with what to write instead.
func TestMistakes(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, old, new, want string }{
		{"unknown field", "title:", "titel:", "titel"},
		{"no title", "title: A work queue", "", "title: is missing"},
		{"no time", "at 2s: kill", "at noon: kill", "write at 2s"},
		{"no word", "at 2s: kill", "2s: kill", "must begin with at or every"},
		{"backwards", "at 1s..3s", "at 3s..1s", "is no time"},
		{"for ever", "every 1s", "every 0s", "is no time"},
		{"no duration", "work: 200ms", "work: fast", "not a duration"},
		{"unknown figure", "lost: 0", "losst: 0", "no figure"},
		{"no bound", "lost: 0", "lost: few", "is no bound"},
		{"no recovery", "within 10s", "soon", "write within 10s"},
		{"unknown variant", "variant: auto-ack", "variant: auto", "the variants are auto-ack"},
		{"two of a name", "name: kill-auto-ack", "name: kill", "empty or taken"},
		{"two processes of a name", "name: consumer", "name: producer", "empty or taken"},
		{"no load", "load: {count: 100}", "load: {}", "needs a rate"},
		{"rate without end", "for: 4s, ", "", "needs for"},
		{"unknown act", "at 2s: kill consumer-1", "at 2s: kil consumer-1", `"kil" is no act`},
		{"nobody", "at 2s: kill consumer-1", "at 2s: kill waiter-1", "no process and no service"},
		{"whom", "at 2s: kill consumer-1", "at 2s: kill", "whom?"},
		{"too large a burst", "at 2s: kill consumer-1", "at 2s: burst 200000", "no whole number"},
		{"no tool", "at 2s: kill consumer-1", "at 2s: duplicate 3", "has no inject: duplicate"},
		{"not slow", "at 2s: kill consumer-1", "at 2s: slow consumer soon", "is no latency"},
		{"not narrow", "at 2s: kill consumer-1", "at 2s: slow consumer 1ms xKB/s", "no bandwidth"},
		{"nothing is broken", "      at 2s: kill consumer-1\n" +
			"      at 1s..3s: [restart rabbitmq, poison 3]\n      every 1s: kill consumer\n",
			"      at 2s: burst 5\n", "nothing is broken"},
		{"wrong shows nothing", "    shows:\n      lost: \"> 0\"\n      processed by consumer-2: 0\n",
			"    promises: {lost: 0}\n", "must show something"},
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

func TestHolds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		figure, text string
		value        float64
		want         bool
	}{
		{"lost", "0", 0, true},
		{"lost", "0", 1, false},
		{"lost", "> 0", 1, true},
		{"lost", "> 0", 0, false},
		{"lost", ">= 2", 2, true},
		{"duplicated", "< 3", 3, false},
		{"duplicated", "<= in-flight", 10, true},
		{"duplicated", "<= in-flight", 11, false},
		{"recovers", "within 1.5s", 1.4, true},
		{"recovers", "within 1.5s", 1.6, false},
	}
	for _, c := range cases {
		condition, err := ParseCondition(c.figure, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.Holds(c.value, 10); got != c.want {
			t.Errorf("%s %s with %v: %v", c.figure, c.text, c.value, got)
		}
	}
}

func TestLoadStep(t *testing.T) {
	t.Parallel()
	root := filepath.Dir(write(t, whole))
	for _, arg := range []string{"7", "07", "07-rabbitmq", "07-rabbitmq/"} {
		if step, err := LoadStep(root, arg); err != nil || step.Name != "07-rabbitmq" {
			t.Errorf("%s: %v", arg, err)
		}
	}
	for _, arg := range []string{"", "8", "07-rabbit", "../07-rabbitmq"} {
		_, err := LoadStep(root, arg)
		if err == nil || !strings.Contains(err.Error(), "07-rabbitmq") {
			t.Errorf("%q: want an error that lists the steps, got %v", arg, err)
		}
	}
}
