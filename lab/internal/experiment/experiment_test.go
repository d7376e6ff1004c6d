package experiment

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// The verdict on a step that is known to be good, and on steps that are known to
// be bad in one way each.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../bench/testdata/99-toy")
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := bench.Build(t.Context(), step, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	cases := []struct {
		name, verdict, complaint string
		held                     bool
	}{
		{"calm", "held", "", true},
		{"broken-promise", "BROKEN", "promised lost 0", false},
		{"loses", "fails, as it should", "", true},
		{"harmless", "DOES NOT FAIL", "the wrong variant twice must show lost > 0", false},
		{"cannot", "not run", "ARGS=-proxy", false},
		{"crashes", "ERROR", "ends as often as it is started", false},
	}
	var results []Result
	for _, c := range cases {
		e, err := step.Experiment(c.name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), bench.Config{Step: step, Run: run, Bin: bin, Seed: 4}, e)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
		if r.Verdict() != c.verdict || r.Held() != c.held {
			t.Errorf("%s: %s (held: %v), want %s", c.name, r.Verdict(), r.Held(), c.verdict)
		}
		complaints := strings.Join(r.Complaints(), "\n")
		if c.complaint == "" && complaints != "" || !strings.Contains(complaints, c.complaint) {
			t.Errorf("%s: complaints are %q, want %q", c.name, complaints, c.complaint)
		}
	}
	table := Table(results, false)
	for _, c := range cases {
		if !strings.Contains(table, c.name) || !strings.Contains(table, c.verdict) {
			t.Errorf("the table says nothing of %s:\n%s", c.name, table)
		}
	}
}

func ms(n int) time.Time { return time.UnixMilli(1_000_000 + int64(n)) }

func events(kind ledger.Kind, from, to, step int) []ledger.Event {
	var all []ledger.Event
	for at := from; at < to; at += step {
		all = append(all, ledger.Event{Kind: kind, Time: ms(at)})
	}
	return all
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	fault := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "kill", Fault: true} }
	accepted, processed := ledger.Accepted, ledger.Processed
	steady := slices.Concat(events(accepted, 0, 5000, 20), events(processed, 10, 5000, 20))
	cases := []struct {
		name   string
		marks  []history.Mark
		events []ledger.Event
		want   time.Duration
	}{
		{"no fault", nil, steady, 0},
		{"nobody noticed", []history.Mark{fault(1005)}, steady, 20 * time.Millisecond},
		{
			"a silence before the fault is not its doing", []history.Mark{fault(3005)},
			slices.Concat(events(accepted, 0, 1000, 20), events(accepted, 2900, 5000, 20),
				events(processed, 0, 5000, 20)),
			20 * time.Millisecond,
		},
		{
			"nothing was processed for a while", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 2500, 5000, 20)),
			1500 * time.Millisecond,
		},
		{
			"the backlog was worked off while nothing was accepted", []history.Mark{fault(1000)},
			slices.Concat(events(processed, 0, 5000, 20), events(accepted, 0, 1000, 20),
				events(accepted, 3000, 5000, 20)),
			2000 * time.Millisecond,
		},
		{
			"the longer of two outages", []history.Mark{fault(1000), fault(3000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 1300, 3000, 20), events(processed, 3700, 5000, 20)),
			720 * time.Millisecond,
		},
		{
			"never", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20)), -1,
		},
		{
			"processing after the load has ended counts", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 6000, 7000, 20)),
			5000 * time.Millisecond,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := history.Run{
				Events: c.events,
				Marks:  append(c.marks, history.Mark{Time: ms(5000), Act: history.LoadEnds}),
			}
			got := Recovery(h)
			if diff := (got - c.want).Abs(); diff > 25*time.Millisecond {
				t.Errorf("got %v, want about %v", got, c.want)
			}
		})
	}
}

// A bound says little of a figure that has no column: its value stands beside it.
func TestPromiseShowsWhatNoColumnShows(t *testing.T) {
	t.Parallel()
	r := Result{InFlight: 12}
	for _, c := range []struct {
		figure, text string
		value        float64
	}{
		{"refused", "> 0", 41}, {"unanswered", "0", 0}, {"lost", "<= in-flight", 7},
		{"highest depth", "<= 64", 63},
	} {
		condition, err := manifest.ParseCondition(c.figure, c.text)
		if err != nil {
			t.Fatal(err)
		}
		r.Checks = append(r.Checks, Check{Condition: condition, Value: c.value, Held: true})
	}
	const want = "refused > 0 (41), unanswered 0, lost ≤ 12 in flight, highest depth ≤ 64 (63)"
	if got := strings.ReplaceAll(r.promise(), "\n", " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every figure that a manifest may name has a value here.
func TestEveryFigureHasAValue(t *testing.T) {
	t.Parallel()
	for _, name := range manifest.Figures() {
		if (&Result{}).value(manifest.Condition{Figure: name}) != 0 {
			t.Errorf("%s of nothing is not 0", name)
		}
	}
	for _, name := range manifest.Told() {
		if !math.IsNaN((&Result{}).figure(name)) {
			t.Errorf("%s has a value that nobody has told", name)
		}
		r := Result{Telemetry: map[string]float64{name: 3, "orders traced": 7}}
		r.Ledger.Accepted = 10
		if got := r.figure(name); got != 3 {
			t.Errorf("%s is %v, want 3", name, got)
		}
	}
	if !math.IsNaN((&Result{}).figure("luck")) {
		t.Error("a figure that does not exist has a value")
	}
	r := Result{History: history.Run{Events: []ledger.Event{
		{Kind: ledger.Processed, Process: "consumer-2"},
		{Kind: ledger.Received, Process: "consumer-2"},
	}}}
	if got := r.figure("processed by consumer-2"); got != 1 {
		t.Errorf("processed by consumer-2: %v", got)
	}
	if got := (&Result{Recovery: -1}).figure("recovers"); got < 1e9 {
		t.Errorf("never is %v seconds", got)
	}
}

func TestFiguresOfAnswers(t *testing.T) {
	t.Parallel()
	r := Result{Ledger: ledger.Summary{Deliveries: 400}}
	for i := range 100 {
		r.History.Answers = append(r.History.Answers, history.Answer{
			Took: time.Duration(i+1) * time.Millisecond, Accepted: i >= 10,
		})
	}
	for name, want := range map[string]float64{
		"answer p50": 0.050, "answer p99": 0.099, "refusal p50": 0.005,
		"refusal p99": 0.010, "availability": 90, "amplification": 4,
	} {
		if got := r.figure(name); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
