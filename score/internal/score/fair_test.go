package score

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// A consumer that takes ten orders and reports them together does no more than one that reports
// each, wherever the stretch begins. To count what falls within it would see a tenth more or
// less.
func TestBatchIsNoStep(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1000, 0)
	const lasts = 2 * time.Second
	counted := map[int]bool{}
	for shift := range 20 {
		m := newMeter()
		for batch := range 15 {
			at := begin.Add(time.Duration(batch*200+shift*10-400) * time.Millisecond)
			for range 10 {
				m.order = append(m.order, at)
			}
		}
		if got := m.rate(begin, begin.Add(lasts)); math.Abs(got-50) > 0.5 {
			t.Errorf("shifted by %d ms: %.1f a second, want 50", 10*shift, got)
		}
		n := 0
		for _, at := range m.order {
			if at.After(begin) && at.Before(begin.Add(lasts)) {
				n++
			}
		}
		counted[n] = true
	}
	if !counted[100] || !counted[90] {
		t.Errorf("counting would have been right as well: %v", counted)
	}
}

// What differs is measured again, and marked if it stays so.
func TestRepeat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		runs        []float64
		want        Figure
		times       int
		againstThis float64
	}{
		{"steady", []float64{100, 110}, Figure{Value: 105, Low: 100, High: 110, Runs: 2}, 2, 0},
		{"apart, then not", []float64{100, 140, 101, 103},
			Figure{Value: 102, Low: 101, High: 103, Runs: 2, Again: true}, 4, 0},
		{"apart, and again", []float64{1148, 2584, 1200, 2500},
			Figure{Value: 1850, Low: 1148, High: 2584, Runs: 4, Noisy: true, Again: true}, 4, 0},
		{"apart by nothing", []float64{0.1, 0.4}, Figure{Value: 0.25, Low: 0.1, High: 0.4, Runs: 2}, 2, 0.5},
	} {
		n := 0
		got, err := repeat(2, []float64{c.againstThis}, func() ([]float64, error) {
			n++
			return []float64{c.runs[n-1]}, nil
		})
		if err != nil || got[0] != c.want || n != c.times {
			t.Errorf("%s: %+v after %d runs, %v; want %+v", c.name, got, n, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := repeat(2, []float64{0}, func() ([]float64, error) { return nil, broken }); err != broken {
		t.Errorf("the error is lost: %v", err)
	}
	// One value of two differs: the other keeps what it had.
	n := 0.0
	got, err := repeat(2, []float64{0, 0}, func() ([]float64, error) {
		n++
		return []float64{10 * n, 5}, nil
	})
	if err != nil || got[1].Again || got[1].Runs != 2 || !got[0].Again {
		t.Errorf("%+v, %v", got, err)
	}
}

// One consumer that does more than one worker can is not one worker.
func TestConsumerIsOneWorker(t *testing.T) {
	t.Parallel()
	s := &session{pace: wholePace}
	for rate, ok := range map[float64]bool{49: true, 51: true, 95: false} {
		err := s.possible(Point{Consumers: 1, Rate: figure([]float64{rate}, 0)})
		if (err == nil) != ok {
			t.Errorf("one consumer did %v a second: %v", rate, err)
		}
	}
	if err := s.possible(Point{Consumers: 8, Rate: figure([]float64{396}, 0)}); err != nil {
		t.Error(err)
	}
}

// The steps that are scored have one worker in a consumer, and as many customers as keep every
// consumer busy.
func TestEveryScoredStepHasOneWorker(t *testing.T) {
	t.Parallel()
	root, _, report := newest(t)
	for _, row := range report.Rows {
		step, err := manifest.LoadStep(root, row.Step)
		if err != nil {
			t.Fatal(err)
		}
		score := step.Scoring()
		if score.Unscaled != "" || score.Workers != "" {
			continue
		}
		if score.Env["WORKERS"] != "1" {
			t.Errorf("%s: score: env: does not say WORKERS: 1", row.Step)
		}
		s := newSession(nil, step, manifest.Right, Options{})
		for _, n := range consumers {
			if got := s.windowSize(n); got < 4*n {
				t.Errorf("%s: %d orders are open for %d consumers", row.Step, got, n)
			}
		}
	}
}

// Customers of a fault run bring more than its consumers can do, by as many as must wait.
func TestCrowd(t *testing.T) {
	t.Parallel()
	consumer := manifest.Process{Name: "consumer", Count: 2, InFlight: 1}
	for _, c := range []struct {
		name  string
		score manifest.Score
		want  float64
	}{
		{"two consumers", manifest.Score{}, 100 + 200},
		{"workers in one process", manifest.Score{Workers: "WORKERS"}, 100 + 200},
		{"whoever comes is served", manifest.Score{Unscaled: "so it is"}, 2500 + 200},
	} {
		step := &manifest.Step{Processes: []manifest.Process{consumer}, Score: &c.score}
		s := newSession(nil, step, manifest.Right, Options{})
		if got := s.crowd(500 * time.Millisecond); got != c.want {
			t.Errorf("%s: %v a second, want %v", c.name, got, c.want)
		}
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	h := history.Run{Started: start, Marks: []history.Mark{{Time: at(1000), Fault: true}}}
	event := func(ms int, kind ledger.Kind, order string) {
		h.Events = append(h.Events, ledger.Event{Time: at(ms), Kind: kind, Order: order})
	}
	event(100, ledger.Accepted, "done")
	event(500, ledger.Processed, "done")
	event(100, ledger.Accepted, "given up")
	event(500, ledger.Failed, "given up")
	event(100, ledger.Accepted, "in progress")
	event(900, ledger.Received, "in progress")
	event(1200, ledger.Processed, "in progress")
	event(100, ledger.Accepted, "lost")
	event(1100, ledger.Accepted, "later")
	answer := func(asked, answered int, order string) {
		h.Answers = append(h.Answers, history.Answer{
			Time: at(answered), Took: at(answered).Sub(at(asked)), Accepted: order != "", Order: order,
		})
	}
	answer(900, 1300, "at the door")
	answer(900, 1100, "") // never told
	answer(100, 110, "")  // refused long before
	answer(1100, 1110, "later")
	var names []string
	for name := range waitingAt(h, firstFault(h)) {
		names = append(names, name)
	}
	if len(names) != 4 || waited(h) != 4 || strings.Contains(strings.Join(names, " "), "later") {
		t.Errorf("%q wait, want in progress, lost, at the door and the customer without an answer", names)
	}
}

// What the killed one had counts: an order that waited, and that nobody does, is missing.
func TestSharesCountWhatWaited(t *testing.T) {
	t.Parallel()
	h := aHistory()
	_, before := shares(h, time.Second)
	h.Events = append(h.Events, ledger.Event{
		Time: h.Started.Add(900 * time.Millisecond), Kind: ledger.Accepted, Order: "waits",
	})
	answered, after := shares(h, time.Second)
	if answered != 75 || before != 50 || after != 40 {
		t.Errorf("answered %v %%, processed %v %% and with one that waited %v %%; want 75, 50, 40",
			answered, before, after)
	}
}

// What has no second is said so, with the reason; and what was lost with one of two is, too.
func TestRedundancyCell(t *testing.T) {
	t.Parallel()
	why := map[string]string{"shop": "its queue is its own"}
	half := Half{Kind: "consumer", Answered: figure([]float64{100}, 0),
		Processed: figure([]float64{98}, 0)}
	losing := half
	losing.Lost = figure([]float64{3}, 0)
	for _, c := range []struct {
		row  Row
		want string
	}{
		{Row{Single: why}, "none"},
		{Row{Single: why, Faults: []Fault{{Name: KillConsumer, Lost: worst([]float64{66, 60})}}},
			"none, **66 lost**"},
		{Row{Halves: []Half{half}}, "100 % / 98.0 %"},
		{Row{Halves: []Half{half}, Single: why}, "100 % / 98.0 %, shop: none"},
		{Row{Halves: []Half{half, losing}}, "100 % / 98.0 %, **3 lost**"},
		{Row{}, "–"},
	} {
		if got := c.row.half(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		r := &Report{}
		r.Put(c.row)
		if front := r.FrontPage(); len(c.row.Single) > 0 &&
			!strings.Contains(front, "no second shop: its queue is its own.") {
			t.Errorf("the reason is not said:\n%s", front)
		}
	}
}

// Where the middle is one server of several, one of them is killed for good, too.
func TestHalvesOfACluster(t *testing.T) {
	t.Parallel()
	for middle, want := range map[string]string{
		"nats-1": "producer consumer nats", "postgres": "producer consumer", "every consumer": "producer consumer",
	} {
		step := &manifest.Step{
			Needs:     []string{"nats x3", "postgres"},
			Processes: []manifest.Process{{Name: "producer", Orders: true}, {Name: "consumer"}},
			Score:     &manifest.Score{Middle: middle},
		}
		s := newSession(nil, step, manifest.Right, Options{})
		if got := strings.Join(s.halves(), " "); got != want {
			t.Errorf("with %s in the middle: %s, want %s", middle, got, want)
		}
	}
	half := Half{Kind: "nats", Servers: 3}
	if got := half.text(); !strings.HasPrefix(got, "one of 3 servers of nats killed") {
		t.Error(got)
	}
}

// Of a run with thousands of orders a picture keeps a part of the ordinary ones, and all others.
func TestStripKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	h := aHistory()
	add := func(i int, kind ledger.Kind) {
		h.Events = append(h.Events, ledger.Event{
			Time: h.Started.Add(time.Duration(i) * time.Millisecond), Kind: kind,
			Process: "producer", Order: number(float64(i)),
		})
	}
	for i := range 3000 {
		add(i, ledger.Accepted)
		if i%100 != 0 {
			add(i, ledger.Processed)
		}
		if i%100 == 1 {
			add(i, ledger.Processed)
		}
	}
	strip := newStrip(h)
	again, err := strip.History()
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]int{}
	for _, e := range again.Events {
		if e.Kind == ledger.Processed {
			ends[e.Order]++
		} else {
			ends[e.Order] += 0
		}
	}
	counts := map[int]int{}
	for _, n := range ends {
		counts[n]++
	}
	if strip.OneIn != 4 || counts[0] != 31 || counts[2] != 30 || counts[1] > drawn {
		t.Errorf("one in %d: %v; want all 31 lost and 30 done twice, and some of the rest",
			strip.OneIn, counts)
	}
}
