package experiment

import (
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/figure"
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
	r := Result{Facts: figure.Facts{
		Lost: 2, InFlight: 10,
		Ledger:  ledger.Summary{Accepted: 50, Processed: 40, Duplicated: 10},
		History: silentFor(3 * time.Second),
	}}
	r.Experiment.Promises = manifest.Conditions{
		condition(t, "lost", "0"), condition(t, "duplicated", "<= in-flight"),
		condition(t, "recovers", "within 2s"), condition(t, "recovers", "within 3s"),
		condition(t, "traces", "> 0"), // nobody has told
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
		got = append(got, outcome{c.Value, c.Held, c.Shows})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// silentFor is the history of a shop that worked, was broken, and served nobody for so long. A
// negative time is forever.
func silentFor(d time.Duration) history.Run {
	all := events(ledger.Accepted, 0, 1001, 100)
	if d >= 0 {
		all = append(all, events(ledger.Accepted, 1000+int(d.Milliseconds()), 20_001, 100)...)
	}
	for _, e := range all {
		e.Kind = ledger.Processed
		all = append(all, e)
	}
	return history.Run{Events: all, Refused: []time.Time{ms(1500)}, Marks: []history.Mark{
		{Time: ms(1000), Act: "kill", Fault: true}, {Time: ms(20_000), Act: history.LoadEnds},
	}}
}

// Where no order was accepted, nothing that is promised of orders was seen to hold; what is seen
// not to hold stays broken, and to want nothing accepted is a promise, too.
func TestNothingAcceptedIsUnknown(t *testing.T) {
	t.Parallel()
	cases := []struct {
		promises []string // figure, bound, ...
		accepted int
		want     string
	}{
		{[]string{"lost", "0"}, 1, "held"},
		{[]string{"lost", "0"}, 0, "UNKNOWN"},
		{[]string{"lost", "0", "failed", "0", "refused", "20"}, 0, "UNKNOWN"},
		{[]string{"lost", "0", "accepted", "> 5"}, 0, "BROKEN"},
		{[]string{"lost", "0", "refused", "0"}, 0, "BROKEN"},
		{[]string{"accepted", "0", "lost", "0", "refused", "20"}, 0, "held"},
		{[]string{"accepted", "< 5", "lost", "0"}, 0, "held"},
	}
	for _, c := range cases {
		r := Result{Facts: figure.Facts{Refused: 20, Ledger: ledger.Summary{Accepted: c.accepted}}}
		for i := 0; i < len(c.promises); i += 2 {
			r.Experiment.Promises = append(r.Experiment.Promises,
				condition(t, c.promises[i], c.promises[i+1]))
		}
		r.check()
		if got := r.Verdict(); got != c.want || r.Held() != (c.want == "held") {
			t.Errorf("%v, accepted %d: %s, want %s", c.promises, c.accepted, got, c.want)
		}
		complaints := strings.Join(r.Complaints(), "\n")
		if c.want == "UNKNOWN" && !strings.Contains(complaints, "unknown: no order was accepted") {
			t.Errorf("%v: complaints %q", c.promises, complaints)
		}
	}
}

// A wrong variant that was not seen to fail because nobody looked does not fail as it should.
func TestWhatWasNotSeenIsNotShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"> 0": "UNKNOWN", "0": "UNKNOWN"} {
		r := Result{Facts: figure.Facts{Ledger: ledger.Summary{Accepted: 9}}}
		r.Experiment.Shows = manifest.Conditions{condition(t, "highest missing", text)}
		r.check()
		if got := r.Verdict(); got != want || r.Held() {
			t.Errorf("highest missing %s: %s, held: %t", text, got, r.Held())
		}
		if c := strings.Join(r.Complaints(), ""); !strings.Contains(c, "has logged missing") {
			t.Errorf("complaints: %s", c)
		}
		r.Highest = map[string]float64{"missing": 1}
		r.Checks = nil
		r.check()
		if r.Held() != (text == "> 0") {
			t.Errorf("highest missing %s of 1: %s", text, r.Verdict())
		}
	}
}

// What every right experiment promises is not in the table as long as it holds.
func TestImpliedPromisesAreShownWhenTheyDoNotHold(t *testing.T) {
	t.Parallel()
	lost, ghosts := condition(t, "duplicated", "0"), condition(t, "ghosts", "0")
	ghosts.Implied = true
	r := Result{Name: "calm", Variant: manifest.Right}
	r.Ledger = ledger.Summary{Accepted: 5, Processed: 5}
	r.Experiment.Promises = manifest.Conditions{lost, ghosts}
	r.check()
	if got := r.promise(); got != "duplicated 0" || r.Verdict() != "held" {
		t.Errorf("%s: %s", r.Verdict(), got)
	}
	if table := Table([]Result{r}, false); !strings.Contains(table, figure.Promised()) {
		t.Errorf("the table does not say what is promised besides:\n%s", table)
	}
	alone := Result{Checks: r.Checks[1:]}
	if got := alone.promise(); !strings.HasPrefix(got, "ghosts 0") {
		t.Errorf("a right one that says nothing promises %q", got)
	}
	r.Ledger.Ghosts, r.Checks = 3, nil
	r.check()
	if got := r.promise(); got != "duplicated 0, ghosts 0 (3)" || r.Verdict() != "BROKEN" {
		t.Errorf("%s: %s", r.Verdict(), got)
	}
}

// The table says how long a shop took to recover, never where it did not, and nothing where
// nobody came to see.
func TestRecoveryInTheTable(t *testing.T) {
	t.Parallel()
	once := silentFor(0) // all orders were placed at once, before the fault
	once.Events, once.Refused = once.Events[:1], nil
	for want, h := range map[string]history.Run{
		"3.0 s": silentFor(3 * time.Second), "never": silentFor(-1), "": once,
	} {
		r := Result{Facts: figure.Facts{History: h}}
		if got := r.row(false)[7]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What a program printed before it had to be killed says nothing of what it would have done.
func TestWhoHangsHasNotKeptAPromise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		took time.Duration
		ends bool
		want string
	}{{time.Second, false, "held"}, {-1, false, "UNKNOWN"}, {-1, true, "held"}} {
		r := Result{Facts: figure.Facts{Once: &figure.Once{Took: c.took, Lines: []string{"all is well"}}}}
		r.Experiment.Promises = manifest.Conditions{condition(t, "prints", "well")}
		if c.ends {
			r.Experiment.Promises = append(r.Experiment.Promises, condition(t, "ends", "never"))
		}
		r.check()
		if got := r.Verdict(); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
}
