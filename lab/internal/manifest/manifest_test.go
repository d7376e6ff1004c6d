package manifest

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/figure"
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
  - name: old-consumer
    package: ./consumer
    env: {SCHEMA: "1"}
    spare: true
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
	if step.Number != "07" || step.Name != "07-rabbitmq" || len(step.Processes) != 3 {
		t.Errorf("got %+v", step)
	}
	producer, consumer := step.Processes[0], step.Processes[1]
	if !producer.Orders || producer.Package != "./producer" || producer.Count != 1 {
		t.Errorf("the defaults of the producer are not filled in: %+v", producer)
	}
	if consumer.Orders || consumer.Count != 2 || consumer.InFlight != 10 {
		t.Errorf("consumer: %+v", consumer)
	}
	if old := step.Processes[2]; old.Count != 0 || old.Package != "./consumer" {
		t.Errorf("a spare process is not to be started by itself: %+v", old)
	}
	if work := step.Run.WorkTime(); work == nil || *work != 200*time.Millisecond {
		t.Errorf("work is %v", work)
	}
	kill, err := step.Experiment("kill")
	if err != nil {
		t.Fatal(err)
	}
	if kill.Variant != Right || len(kill.Faults) != 3 || len(kill.Promises) != 7 {
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
		{"forever", "every 1s", "every 0s", "is no time"},
		{"no duration", "work: 200ms", "work: fast", "not a duration"},
		{"unknown figure", "lost: 0", "losst: 0", "no run has such a figure: did you mean lost?"},
		{"no bound", "lost: 0", "lost: few", "is no bound"},
		{"half a bound", "lost: 0", "lost: \"> 0 and\"", "is no bound"},
		{"no attribute", "lost: 0", "\"highest \": 0", "no run has such a figure"},
		{"no patience", "work: 20ms}", "work: 20ms, patience: -1s}", "patience"},
		{"no recovery", "within 10s", "soon", "write within 10s"},
		{"unknown variant", "variant: auto-ack", "variant: auto", "did you mean auto-ack?"},
		{"two of a name", "name: kill-auto-ack", "name: kill", "is taken"},
		{"two processes of a name", "name: consumer", "name: producer", "is taken"},
		{"spare and counted", "    spare: true", "    spare: true\n    count: 1", "it is spare"},
		{"no load", "load: {count: 100}", "load: {}", "needs a rate"},
		{"crowd without a fault", "load: {count: 100}", "load: {rate: 1, for: 1s, crowd: 9}", "a crowd comes until"},
		{"rate without end", "for: 4s, ", "", "needs for"},
		{"unknown act", "at 2s: kill consumer-1", "at 2s: kil consumer-1", `"kil" is no act`},
		{"nobody", "at 2s: kill consumer-1", "at 2s: kill waiter-1", "no process and no service"},
		{"whom", "at 2s: kill consumer-1", "at 2s: kill", "whom?"},
		{"too large a burst", "at 2s: kill consumer-1", "at 2s: burst 200000", "no whole number"},
		{"nobody's order", "at 2s: kill consumer-1", "at 2s: order 3", "whose?"},
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

const wholeOnce = `
title: A program
processes:
  - name: talk
    once: true
variants:
  - name: loses
experiments:
  - name: calm
    promises: {exits: 0, prints: [one, "t[a-z]o"], prints no: lost, ends: within 5s}
  - name: loses
    variant: loses
    limit: 2s
    shows: {ends: never}
`

func TestOnce(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, wholeOnce))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := step.Once(); !ok || p.Name != "talk" {
		t.Errorf("the program is %+v", p)
	}
	calm, loses := step.Experiments[0], step.Experiments[1]
	if len(calm.Promises) != 5 || calm.Limit.Std() != 30*time.Second ||
		loses.Limit.Std() != 2*time.Second {
		t.Errorf("experiments: %+v", step.Experiments)
	}
	if step, err := Read(write(t, whole)); err != nil {
		t.Error(err)
	} else if p, ok := step.Once(); ok {
		t.Errorf("%s runs once", p.Name)
	}
	cases := []struct{ name, old, new, want string }{
		{"no ledger", "exits: 0", "lost: 0", "has no such figure"},
		{"no load", "limit: 2s", "load: {count: 1}", "has no load"},
		{"no faults", "limit: 2s", "faults: {at 1s: kill talk}", "has no load, scale, faults"},
		{"no settling", "limit: 2s", "settle: 2s", "settle"},
		{"no time left", "limit: 2s", "limit: -2s", "cannot be negative"},
		{"no pattern", "t[a-z]o", "t[", "no regular expression"},
		{"an empty text", "t[a-z]o", "", "An empty text"},
		{"no end", "ends: never", "ends: soon", "write within 10s"},
		{"no code", "exits: 0", "exits: well", "is no bound"},
		{"no HTTP", "once: true", "once: true\n    http: true", "has no http"},
		{"alone", "once: true", "once: true\n  - name: other", "only process"},
		{"no orders", "title:", "run: {work: 1s}\ntitle:", "nobody places orders"},
		{"not once", "once: true", "http: true", "needs a rate"},
		{"wrong shows nothing", "shows: {ends: never}", "promises: {exits: 0}",
			"must show something"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(wholeOnce, c.old, c.new, 1)
			if text == wholeOnce {
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
		{"ghosts", "<= refused", 5, true},
		{"ghosts", "<= refused", 6, false},
		{"recovers", "within 1.5s", 1.4, true},
		{"recovers", "within 1.5s", 1.6, false},
		{"recovers", "after 1.5s", 1.4, false},
		{"recovers", "after 1.5s", 1.6, true},
		{"exits", "1", 1, true},
		{"exits", "1", 2, false},
		{"prints", "lost", 1, true},
		{"prints", "lost", 0, false},
		{"prints no", "lost", 0, true},
		{"prints no", "lost", 2, false},
		{"ends", "within 2s", 1.9, true},
		{"ends", "within 2s", math.MaxFloat64, false},
		{"ends", "never", math.MaxFloat64, true},
		{"ends", "never", 1, false},
	}
	for _, c := range cases {
		condition, err := ParseCondition(c.figure, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.Holds(c.value, &figure.Facts{InFlight: 10, Refused: 5}); got != c.want {
			t.Errorf("%s %s with %v: %v", c.figure, c.text, c.value, got)
		}
	}
}

// A figure may have a bound on both sides, and be an attribute of the log.
func TestBounds(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, strings.Replace(whole, "      lost: 0\n",
		"      lost: \"> 0 and <= in-flight\"\n      highest depth: <= 64\n", 1)+
		"gauges: {depth: orders in the queue}\n"))
	if err != nil {
		t.Fatal(err)
	}
	kill, err := step.Experiment("kill")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range kill.Promises[:3] {
		texts = append(texts, c.String())
	}
	want := []string{"lost > 0", "lost ≤ in-flight", "highest depth ≤ 64"}
	if !slices.Equal(texts, want) || !slices.Equal(kill.Gauges(), []string{"depth"}) {
		t.Errorf("got %q and the gauges %q", texts, kill.Gauges())
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

func TestLoadPart(t *testing.T) {
	t.Parallel()
	dir := write(t, whole)
	root := filepath.Dir(dir)
	if err := os.Mkdir(filepath.Join(dir, "mailbox"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := LoadStep(root, "07/mailbox")
	if err == nil || !strings.Contains(err.Error(), "its parts are none") {
		t.Errorf("a folder without a manifest: %v", err)
	}
	path := filepath.Join(dir, "mailbox", FileName)
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	step, err := LoadStep(root, "7/mailbox/")
	if err != nil {
		t.Fatal(err)
	}
	if step.Name != "07-rabbitmq/mailbox" || step.Number != "07" || step.Root() != root ||
		step.Dir != filepath.Join(dir, "mailbox") {
		t.Errorf("got %q, %q, %q, %q", step.Name, step.Number, step.Root(), step.Dir)
	}
	if _, err = LoadStep(root, "07/mailbx"); err == nil ||
		!strings.Contains(err.Error(), "did you mean mailbox?") {
		t.Errorf("a part that was mistyped: %v", err)
	}
	if _, err = LoadStep(root, "07-rabitmq"); err == nil ||
		!strings.Contains(err.Error(), "did you mean 07-rabbitmq?") {
		t.Errorf("a step that was mistyped: %v", err)
	}
	_, err = LoadStep(root, "07/other")
	if err == nil || !strings.Contains(err.Error(), `no part "other": its parts are mailbox`) {
		t.Errorf("a part that is not there: %v", err)
	}
}
