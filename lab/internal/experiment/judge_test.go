package experiment

import (
	"math"
	"slices"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// No evidence is no verdict: an experiment holds only if it was carried to its end, checked
// something, and every check held.
func TestHeldNeedsEvidence(t *testing.T) {
	t.Parallel()
	held, broken := Check{Held: true}, Check{Held: false}
	cases := []struct {
		name   string
		result Result
		want   bool
	}{
		{"every check held", Result{Checks: []Check{held, held}}, true},
		{"nothing was checked", Result{}, false},
		{"the first is broken", Result{Checks: []Check{broken, held}}, false},
		{"the last is broken", Result{Checks: []Check{held, broken}}, false},
		{"it was not run", Result{Checks: []Check{held}, NotRun: "no proxy"}, false},
		{"it ended early", Result{Checks: []Check{held}, Error: "the shop died"}, false},
	}
	for _, c := range cases {
		if got := c.result.Held(); got != c.want {
			t.Errorf("%s: held %v", c.name, got)
		}
	}
}

func condition(t *testing.T, figure, text string) manifest.Condition {
	t.Helper()
	c, err := manifest.ParseCondition(figure, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each condition is compared with its own figure, and all of them are.
func TestEveryConditionIsChecked(t *testing.T) {
	t.Parallel()
	r := Result{Lost: 2, InFlight: 10, Recovery: 3 * time.Second}
	r.Ledger = ledger.Summary{Accepted: 50, Processed: 40, Duplicated: 10}
	r.Experiment.Promises = manifest.Conditions{
		condition(t, "lost", "0"), condition(t, "duplicated", "<= in-flight"),
		condition(t, "recovers", "within 2s"), condition(t, "recovers", "within 3s"),
		condition(t, "traces", ">= 0"), // nobody has told
	}
	r.Experiment.Shows = manifest.Conditions{
		condition(t, "lost", "> 1"), condition(t, "processed", ">= 41"),
	}
	r.check()
	type outcome struct {
		value       float64
		held, shows bool
	}
	want := []outcome{
		{2, false, false}, {10, true, false}, {3, false, false}, {3, true, false},
		{0, false, false}, {2, true, true}, {40, false, true},
	}
	var got []outcome
	for _, c := range r.Checks {
		if math.IsNaN(c.Value) {
			c.Value = 0 // is equal to nothing, not even itself
		}
		got = append(got, outcome{c.Value, c.Held, c.Shows})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// No figure is another one's: all have different values here.
func TestFiguresAreNotMixedUp(t *testing.T) {
	t.Parallel()
	r := Result{
		Ledger: ledger.Summary{
			Accepted: 1, Processed: 2, Failed: 3, Open: 4, Duplicated: 5, Ghosts: 6,
			Contradictions: 7, Deliveries: 8, MaxAttempts: 9, Skipped: 10,
		},
		Lost: 11, Refused: 12, Unanswered: 13, InFlight: 14, Recovery: 15 * time.Second,
		Highest:   map[string]float64{"depth": 16, "memory": 17},
		Telemetry: map[string]float64{"orders traced": 0.5, "series": 18},
		Once:      &Once{Exit: 19, Took: 20 * time.Second, Lines: []string{"one", "two"}},
	}
	for figure, want := range map[string]float64{
		"accepted": 1, "processed": 2, "failed": 3, "lost": 11, "duplicated": 5, "ghosts": 6,
		"skipped": 10, "refused": 12, "unanswered": 13, "attempts": 9, "recovers": 15,
		"highest depth": 16, "highest memory": 17, "highest luck": 0,
		"untraced": 0.5, "series": 18, "exits": 19, "ends": 20,
	} {
		if got := r.value(manifest.Condition{Figure: figure}); got != want {
			t.Errorf("%s is %v, want %v", figure, got, want)
		}
	}
	for text, want := range map[string]float64{"o": 2, "^one$": 1, "three": 0} {
		for _, figure := range []string{"prints", "prints no"} {
			if got := r.value(condition(t, figure, text)); got != want {
				t.Errorf("%s %s is %v, want %v", figure, text, got, want)
			}
		}
	}
	r.Once.Took = -1 // it had to be killed
	if got := r.value(condition(t, "ends", "never")); got != math.MaxFloat64 {
		t.Errorf("a program that never ends took %v", got)
	}
	if (&Result{Recovery: -1}).figure("recovers") != math.MaxFloat64 {
		t.Error("a shop that does not recover does so after a time")
	}
}

// Of the answers, each figure takes those that it is about.
func TestAnswersAreSortedOut(t *testing.T) {
	t.Parallel()
	answer := func(ms int, accepted bool) history.Answer {
		return history.Answer{Took: time.Duration(ms) * time.Millisecond, Accepted: accepted}
	}
	r := Result{Ledger: ledger.Summary{Deliveries: 12}, History: history.Run{
		// In no order, as answers come.
		Answers: []history.Answer{
			answer(400, false), answer(10, true), answer(30, true), answer(100, false),
		},
		Events: []ledger.Event{
			{Kind: ledger.Processed, Process: "a"}, {Kind: ledger.Processed, Process: "b"},
			{Kind: ledger.Processed, Process: "b"}, {Kind: ledger.Failed, Process: "a"},
		},
	}}
	for figure, want := range map[string]float64{
		"answer p50": 0.030, "answer p99": 0.400, "answer p25": 0.010, "answer p26": 0.030,
		"refusal p50": 0.100, "refusal p51": 0.400, "answer p0": 0.010, "answer p100": 0.400,
		"availability": 50, "amplification": 3,
		"processed by a": 1, "processed by b": 2, "processed by c": 0,
	} {
		if got := r.figure(figure); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", figure, got, want)
		}
	}
}

// The time to recover counts from the first fault, for both what is accepted and what is
// processed, and a shop that is silent at the end has not recovered.
func TestRecoveryIsExact(t *testing.T) {
	t.Parallel()
	accepted, processed := ledger.Accepted, ledger.Processed
	all := func(kind ledger.Kind) []ledger.Event { return events(kind, 0, 10_001, 100) }
	without := func(kind ledger.Kind, from, to int) []ledger.Event {
		return slices.DeleteFunc(all(kind), func(e ledger.Event) bool {
			return e.Time.After(ms(from)) && e.Time.Before(ms(to))
		})
	}
	fault := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "kill", Fault: true} }
	other := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "start"} }
	cases := []struct {
		name   string
		marks  []history.Mark
		events []ledger.Event
		want   time.Duration
	}{
		{"no fault", nil, without(accepted, 2000, 9000), 0},
		{
			"an act that breaks nothing is no fault", []history.Mark{other(1000)},
			without(accepted, 2000, 9000), 0,
		},
		{
			"the first outage is the longer one", []history.Mark{fault(1000), fault(6000)},
			slices.Concat(all(accepted), without(processed, 1000, 4000)), 3 * time.Second,
		},
		{
			"nothing was accepted", []history.Mark{fault(1000)},
			slices.Concat(without(accepted, 1000, 3000), all(processed)), 2 * time.Second,
		},
		{
			"nothing was processed", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 1000, 5000)), 4 * time.Second,
		},
		{
			"the silence counts from the fault", []history.Mark{fault(1050)},
			slices.Concat(all(accepted), without(processed, 1050, 2000)), 950 * time.Millisecond,
		},
		{
			"nothing was processed any more", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 1000, 10_001)), -1,
		},
		{
			"nothing was accepted any more", []history.Mark{fault(1000)},
			slices.Concat(without(accepted, 1000, 10_001), all(processed)), -1,
		},
		{
			"silent for a little more than a second at the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 8900, 10_001)), -1,
		},
		{
			"silent for just a second at the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 9000, 10_001)), 100 * time.Millisecond,
		},
		{
			"nobody came any more after the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), all(processed), events(processed, 10_050, 10_051, 1),
				events(processed, 14_000, 14_001, 1)), 100 * time.Millisecond,
		},
		{
			"who was received was not served", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), events(ledger.Received, 0, 10_001, 100)), -1,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := history.Run{
				// What is read from two pipes comes in any order.
				Events: slices.Collect(func(yield func(ledger.Event) bool) {
					for _, e := range slices.Backward(c.events) {
						if !yield(e) {
							return
						}
					}
				}),
				Marks: append(c.marks, history.Mark{Time: ms(10_000), Act: history.LoadEnds}),
			}
			if got := Recovery(h); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
