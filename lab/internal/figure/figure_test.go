package figure

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// value is that of a figure by its name, as a condition with that text asks for it.
func value(t *testing.T, f Facts, name, text string) (float64, error) {
	t.Helper()
	figure, of, ok := Find(name)
	if !ok {
		t.Fatalf("there is no figure %q", name)
	}
	return figure.Value(&f, Ask{Name: of, Text: text})
}

// No figure is another one's: all have different values here.
func TestFiguresAreNotMixedUp(t *testing.T) {
	t.Parallel()
	facts := Facts{
		Ledger: ledger.Summary{
			Accepted: 1, Processed: 2, Failed: 3, Open: 4, Duplicated: 5, Ghosts: 6,
			Contradictions: 7, Deliveries: 8, MaxAttempts: 9, Skipped: 10, Reused: 11,
		},
		Lost: 12, Refused: 13, Unanswered: 14, InFlight: 15, Crashes: 28, CrashLoops: 29,
		Highest: map[string]float64{"depth": 16, "memory": 17},
		Telemetry: map[string]float64{
			"orders traced": 0.5, "traces": 18, "spans per trace": 19, "services per trace": 20,
			"broken traces": 21, "failing traces": 22, "series": 23, "loose log lines": 24,
		},
		Once: &Once{Exit: 25, Took: 26 * time.Second, Lines: []string{"one", "two"}},
	}
	facts.History.Started = time.Now()
	facts.History.Lives = []history.Life{{Process: "consumer-2"}, {Process: "idle"}}
	facts.History.Events = events(ledger.Processed, 0, 27, 1)
	for i := range facts.History.Events {
		facts.History.Events[i].Process = "consumer-2"
		facts.History.Events[i].Effect = "7"
	}
	// What is reported twice, by whomever, is one effect.
	facts.History.Events = append(facts.History.Events, facts.History.Events...)
	for _, accepted := range []bool{true, true, true, false} {
		facts.History.Answers = append(facts.History.Answers, history.Answer{
			Accepted: accepted, Took: time.Second + time.Duration(len(facts.History.Answers)),
			Time: facts.History.Started.Add(time.Duration(len(facts.History.Answers)) * time.Second),
		})
	}
	// The second customer comes as the two seconds have passed, and one of three is refused.
	facts.History.Marks = []history.Mark{
		{Time: facts.History.Started.Add(-2*time.Second - time.Nanosecond)},
		{Time: facts.History.Started.Add(-time.Hour)},
		{Time: facts.History.Started, Act: history.LoadEnds},
		{Time: facts.History.Started.Add(time.Hour), Act: "heal everybody"},
	}
	want := map[string]float64{
		"accepted": 1, "processed": 2, "failed": 3, "duplicated": 5, "ghosts": 6,
		"contradictions": 7, "attempts": 9, "skipped": 10, "reused": 11, "lost": 12,
		"refused": 13, "unanswered": 14, "highest depth": 16, "highest memory": 17,
		"untraced": 0.5, "traces": 18, "spans per trace": 19, "services per trace": 20,
		"broken traces": 21, "failing traces": 22, "series": 23, "loose log lines": 24,
		"exits": 25, "ends": 26, "processed by consumer-2": 27, "processed by idle": 0,
		"availability": 75, "availability at the end": 200.0 / 3, "amplification": 2,
		"crashes": 28, "crash loops": 29,
		"answer p50": 1 + 1e-9, "answer p100": 1 + 3e-9, "refusal p50": 1 + 3e-9,
	}
	for name, want := range want {
		got, err := value(t, facts, name, "")
		if err != nil || math.Abs(got-want) > 1e-10 {
			t.Errorf("%s is %v, want %v (%v)", name, got, want, err)
		}
	}
	for text, want := range map[string]float64{"o": 2, "^one$": 1, "three": 0} {
		for _, name := range []string{"prints", "prints no"} {
			if got, err := value(t, facts, name, text); got != want || err != nil {
				t.Errorf("%s %s is %v, want %v (%v)", name, text, got, want, err)
			}
		}
	}
	facts.Once.Took = -1 // it had to be killed
	if got, _ := value(t, facts, "ends", Never); got != math.MaxFloat64 {
		t.Errorf("a program that never ends took %v", got)
	}
	for _, f := range Table {
		named := slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(name string) bool {
			found, _, _ := Find(name)
			return found.Name == f.Name
		})
		if !named && f.Name != "recovers" && !strings.HasPrefix(f.Name, "prints") {
			t.Errorf("%s is not tested", f.Name)
		}
	}
}

// What nobody has observed is not 0: it is unknown, and says what was missing.
func TestWhatNobodyHasObservedIsUnknown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"highest depth": "no process has logged depth", "answer p99": "no customer has placed",
		"refusal p50": "no customer has placed", "availability": "no customer has placed",
		"amplification": "no customer has placed", "attempts": "received an order",
		"duplicated": "processed even once", "processed by consumer-7": "no process consumer-7",
		"recovers": "nothing was broken", "untraced": "no receiver", "traces": "no receiver",
		"spans per trace": "no receiver", "services per trace": "no receiver",
		"broken traces": "no receiver", "failing traces": "no receiver", "series": "no receiver",
		"loose log lines": "no receiver", "exits": "was not run", "ends": "was not run",
		"prints": "was not run", "prints no": "was not run",
	} {
		if got, err := value(t, Facts{}, name, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s of nothing is %v, %v; want unknown: %s", name, got, err, want)
		}
	}
	told := Facts{Telemetry: map[string]float64{
		"traces": 0, "orders traced": 0, "spans per trace": 0, "services per trace": 0,
		"broken traces": 0, "failing traces": 0, "series": 0, "loose log lines": 0,
	}}
	for _, name := range []string{
		"spans per trace", "services per trace", "broken traces", "failing traces",
		"loose log lines", "series",
	} {
		if got, err := value(t, told, name, ""); err == nil {
			t.Errorf("%s of no trace and no metric is %v", name, got)
		}
	}
	yes := Facts{History: history.Run{Answers: []history.Answer{{Accepted: true}}}}
	if got, err := value(t, yes, "refusal p99", ""); err == nil {
		t.Errorf("nobody was refused, and was told so within %v", got)
	}
	if got, err := value(t, yes, "amplification", ""); err == nil {
		t.Errorf("nobody logged a delivery, and amplification is %v", got)
	}
	silent := Facts{Once: &Once{}}
	if got, err := value(t, silent, "prints no", "lost"); err == nil {
		t.Errorf("it printed nothing at all, and %v lines match", got)
	}
	killed := Facts{Once: &Once{Exit: -1, Took: -1}}
	if got, err := value(t, killed, "exits", ""); err == nil {
		t.Errorf("what was killed has the exit code %v", got)
	}
}

// Of the answers, each figure takes those that it is about.
func TestAnswersAreSortedOut(t *testing.T) {
	t.Parallel()
	answer := func(ms int, accepted bool) history.Answer {
		return history.Answer{Took: time.Duration(ms) * time.Millisecond, Accepted: accepted}
	}
	facts := Facts{Ledger: ledger.Summary{Deliveries: 12}, History: history.Run{
		// In no order, as answers come.
		Answers: []history.Answer{
			answer(400, false), answer(10, true), answer(30, true), answer(100, false),
		},
	}}
	for name, want := range map[string]float64{
		"answer p50": 0.030, "answer p99": 0.400, "answer p25": 0.010, "answer p26": 0.030,
		"refusal p50": 0.100, "refusal p51": 0.400, "answer p1": 0.010, "answer p100": 0.400,
		"answer p99.9": 0.400, "availability": 50, "amplification": 3,
	} {
		if got, err := value(t, facts, name, ""); err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v (%v)", name, got, want, err)
		}
	}
}

// A bound that no value can miss and one that none can meet say nothing.
func TestBoundsThatSayNothing(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"lost", "0", ""}, {"lost", "> 0", ""}, {"lost", ">= 1", ""}, {"lost", "< 1", ""},
		{"lost", "<= 0", ""}, {"lost", "<= in-flight", ""}, {"lost", "> in-flight", ""},
		{"lost", ">= 0", "never fail"}, {"lost", "< 0", "never hold"},
		{"availability", ">= 99.5", ""}, {"availability", "100", ""}, {"availability", "< 100", ""},
		{"availability", "> 100", "never hold"}, {"availability", "101", "never hold"},
		{"availability", "<= 100", "never fail"}, {"availability", ">= 0", "never fail"},
		{"amplification", "<= 1.5", ""}, {"amplification", "< 0", "never hold"},
		{"answer p99", "<= 1s", ""}, {"answer p99", ">= 0s", "never fail"},
		{"answer p99", "> 0s", "never fail"}, {"answer p99", "<= 0s", "never hold"},
		{"answer p99", "< -1s", "never hold"},
		{"exits", "0", ""}, {"exits", "> 0", ""}, {"exits", "300", "never hold"},
		{"exits", ">= 0", "never fail"}, {"exits", "<= 255", "never fail"},
		{"highest temperature", "< -3.5", ""}, {"highest depth", "= 7", ""},
		{"recovers", "within 1s", ""}, {"ends", "never", ""}, {"prints", "x", ""},
		{"prints no", "x", ""},
	}
	for _, c := range cases {
		f, _, _ := Find(c.name)
		b, err := f.Rule.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %s: %v", c.name, c.text, err)
			continue
		}
		err = f.Rule.Check(b)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s: got %v, want %q", c.name, c.text, err, c.want)
		}
	}
}

// Two bounds of one figure must leave something between them.
func TestBoundsMeet(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"> 0 and < 5": true, "> 5 and < 3": false, "> 5 and < 7": true, "> 5 and < 6": false,
		"0 and > 0": false, "0 and <= in-flight": true, ">= 3 and <= 3": true,
	} {
		var bounds []Bound
		for part := range strings.SplitSeq(text, " and ") {
			b, err := Count.Parse(part)
			if err != nil {
				t.Fatal(err)
			}
			bounds = append(bounds, b)
		}
		if got := Count.Meet(bounds); got != want {
			t.Errorf("%s: can hold: %v", text, got)
		}
	}
}

// What every right experiment promises can be read, and is what the page says.
func TestImplied(t *testing.T) {
	t.Parallel()
	const want = "failed 0, lost 0, ghosts 0, contradictions 0, reused 0"
	if got := Promised(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Each entry is whole, and its name finds it.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	for _, f := range Table {
		name, of := f.Name, ""
		if f.Family {
			of = "1"
		}
		found, rest, ok := Find(name + of)
		if !ok || found.Name != name || rest != of {
			t.Errorf("%q is found as %q of %q", name+of, found.Name, rest)
		}
		if f.About == "" || f.Value == nil || f.Rule.Parse == nil || f.Rule.Format == nil {
			t.Errorf("%s is not whole", name)
		}
	}
	for _, name := range []string{"", "luck", "highest ", "processed by ", "answer p"} {
		if f, _, ok := Find(name); ok {
			t.Errorf("%q is found as %s", name, f.Name)
		}
	}
}

// Nobody can recover who has never worked, or whom no customer has asked since.
func TestRecoversNeedsEvidence(t *testing.T) {
	t.Parallel()
	accepted, processed := ledger.Accepted, ledger.Processed
	cases := []struct {
		name   string
		marks  []history.Mark
		events []ledger.Event
		want   string
	}{
		{"all is well", []history.Mark{{Time: ms(1000), Fault: true}},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 5000, 20)), ""},
		{"no fault", nil,
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 5000, 20)),
			"nothing was broken"},
		{"nothing accepted before", []history.Mark{{Time: ms(1000), Fault: true}},
			slices.Concat(events(accepted, 1010, 5000, 20), events(processed, 0, 5000, 20)),
			"accepted before"},
		{"nothing processed before", []history.Mark{{Time: ms(1000), Fault: true}},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 1010, 5000, 20)),
			"processed before"},
		{"nobody came after", []history.Mark{{Time: ms(1000), Fault: true}},
			slices.Concat(events(accepted, 0, 1000, 20), events(processed, 0, 5000, 20)),
			"no customer came after"},
		{"too soon before the end", []history.Mark{{Time: ms(4500), Fault: true}},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 4500, 20)),
			"too soon"},
	}
	for _, c := range cases {
		facts := Facts{History: history.Run{Events: c.events, Marks: append(c.marks,
			history.Mark{Time: ms(5000), Act: history.LoadEnds})}}
		_, err := value(t, facts, "recovers", "")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	// Customers came, were refused, and nobody was served any more: that is known.
	facts := Facts{History: history.Run{
		Events:  slices.Concat(events(accepted, 0, 1000, 20), events(processed, 0, 1000, 20)),
		Refused: []time.Time{ms(2000)},
		Marks:   []history.Mark{{Time: ms(1000), Fault: true}, {Time: ms(5000), Act: history.LoadEnds}},
	}}
	if got, err := value(t, facts, "recovers", ""); err != nil || got != math.MaxFloat64 {
		t.Errorf("never is %v, %v", got, err)
	}
}
