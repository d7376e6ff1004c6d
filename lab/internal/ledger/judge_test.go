package ledger

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at lets an event happen so many milliseconds after the run began.
func at(ms int, e Event) Event {
	e.Time = time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond)
	return e
}

// Each event has the verdict of one who knows the whole history.
func TestJudge(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		events []Event
		want   []Verdict
	}{
		{
			"the good case",
			[]Event{by("shop", "a"), by(Customer, "a"), ev(Received, "a"), ev(Processed, "a")},
			[]Verdict{Promise, Repeat, Delivery, Effect},
		},
		{
			"a promise without an end, and its deliveries",
			[]Event{ev(Accepted, "a"), ev(Received, "a"), ev(Received, "a"), ev(Skipped, "a")},
			[]Verdict{Open, Delivery, Delivery, Skip},
		},
		{
			// Six such lines were drawn as six duplicates in step 06.
			"an effect that is reported again is no second one",
			[]Event{ev(Accepted, "a"), effect("a", "7"), effect("a", "7"), effect("a", "8")},
			[]Verdict{Promise, Effect, Repeat, Duplicate},
		},
		{
			"effects without an identity are each their own",
			[]Event{ev(Accepted, "a"), ev(Processed, "a"), ev(Processed, "a")},
			[]Verdict{Promise, Effect, Duplicate},
		},
		{
			"the first effect is the earlier one, and not the one that was read first",
			[]Event{at(0, ev(Accepted, "a")), at(9, ev(Processed, "a")), at(5, ev(Processed, "a"))},
			[]Verdict{Promise, Duplicate, Effect},
		},
		{
			"the first report of an effect is its time",
			[]Event{at(0, ev(Accepted, "a")), at(9, effect("a", "7")), at(5, effect("a", "7"))},
			[]Verdict{Promise, Repeat, Effect},
		},
		{
			"an effect before the word of its acceptance is no ghost",
			[]Event{ev(Processed, "a"), ev(Accepted, "a")}, []Verdict{Effect, Promise},
		},
		{
			"nobody was promised it", []Event{ev(Processed, "a"), ev(Processed, "a")},
			[]Verdict{Ghost, Duplicate},
		},
		{
			"given up, twice reported", []Event{ev(Accepted, "a"), ev(Failed, "a"), ev(Failed, "a")},
			[]Verdict{Promise, GivenUp, Repeat},
		},
		{
			"given up before anybody was promised it",
			[]Event{ev(Failed, "a"), ev(Failed, "a")}, []Verdict{Declined, Repeat},
		},
		{
			"given up and then done", []Event{ev(Accepted, "a"), ev(Failed, "a"), ev(Processed, "a")},
			[]Verdict{Promise, Contradiction, Effect},
		},
		{
			"done and then given up", []Event{ev(Processed, "a"), ev(Failed, "a"), ev(Failed, "a")},
			[]Verdict{Ghost, Contradiction, Repeat},
		},
		{
			"a second customer is given the identity of the first",
			[]Event{by("shop", "a"), by(Customer, "a"), by("shop", "a"), by(Customer, "a")},
			[]Verdict{Open, Repeat, Repeat, Reuse},
		},
		{"an unknown kind", []Event{ev("danced", "a")}, []Verdict{Unknown}},
	}
	for _, c := range cases {
		if got := Judge(c.events); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// Whoever counts the verdicts of a history has its figures.
func TestVerdictsAreTheFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := timed(t)
		want := account(events...)
		want.MaxAttempts = 0 // is of one order, and not a sum
		if got := counted(Judge(events)); got != want {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	})
}

// timed is a history in which some events have the same time, and none need stand in
// the order of its time.
func timed(t *rapid.T) []Event {
	events := history(t)
	for i := range events {
		events[i] = at(rapid.IntRange(0, 20).Draw(t, "ms"), events[i])
	}
	return events
}

func counted(verdicts []Verdict) Summary {
	n := map[Verdict]int{}
	for _, v := range verdicts {
		n[v]++
	}
	return Summary{
		Accepted: n[Promise] + n[Open], Processed: n[Effect], Failed: n[GivenUp], Open: n[Open],
		Duplicated: n[Duplicate], Ghosts: n[Ghost], Contradictions: n[Contradiction],
		Reused: n[Reuse], Deliveries: n[Delivery], Skipped: n[Skip],
	}
}

// Effects and ends are told apart from the lines that report them.
func TestWhatVerdictsMean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := timed(t)
		s := account(events...)
		happened, accepted, ended := 0, 0, 0
		for _, v := range Judge(events) {
			if v.Happened() {
				happened++
			}
			if v.Accepts() {
				accepted++
			}
			if v.Ends() {
				ended++
			}
		}
		if happened != s.Processed+s.Ghosts+s.Duplicated || accepted != s.Accepted ||
			ended != s.Processed+s.Failed {
			t.Fatalf("%d effects, %d promises, %d ends of %+v", happened, accepted, ended, s)
		}
	})
}

// While a run goes on, an event has the verdict of one who knows what came before it.
func TestVerdictSoFar(t *testing.T) {
	t.Parallel()
	var l Ledger
	for _, c := range []struct {
		event Event
		want  Verdict
	}{
		{effect("a", "7"), Effect}, {effect("a", "7"), Repeat}, {ev(Accepted, "a"), Promise},
		{effect("a", "8"), Duplicate}, {ev(Failed, "b"), GivenUp}, {ev(Failed, "b"), Repeat},
		{ev("danced", "c"), Unknown},
	} {
		if got := l.Add(c.event); got != c.want {
			t.Errorf("%v: %q, want %q", c.event, got, c.want)
		}
	}
}
