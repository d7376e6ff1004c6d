package ledger

import "slices"

// Verdict is what one event counts as. What is an effect, a duplicate, a loss is
// decided here and nowhere else: whoever counts, draws or judges reads verdicts.
type Verdict string

// The verdicts. Of each figure of the [Summary] there are as many in a history as the
// figure says; an accepted order is a Promise or, without an end, Open.
const (
	Promise   Verdict = "accepted"   // the first word of an acceptance
	Open      Verdict = "open"       // the same, of an order that has no end: in flight, or lost
	Reuse     Verdict = "reused"     // one more customer is given an identity
	Delivery  Verdict = "received"   // a consumer works on the order
	Effect    Verdict = "processed"  // the first effect of an accepted order
	Duplicate Verdict = "duplicated" // an effect beyond an order's first
	Ghost     Verdict = "ghost"      // the first effect of an order that nobody was promised
	GivenUp   Verdict = "failed"     // the end of an accepted order without an effect
	// Contradiction is the giving up of an order that has an effect as well.
	Contradiction Verdict = "contradiction"
	// Declined is the giving up of an order that nobody was promised: no harm is done.
	Declined Verdict = "declined"
	Skip     Verdict = "skipped"  // came again, was not done again
	Repeat   Verdict = "repeated" // tells what is known: an effect reported twice is one
	Unknown  Verdict = ""         // of a kind that the ledger does not know
)

// Happened says whether the event is an effect on the world, and not only the report
// of one.
func (v Verdict) Happened() bool { return v == Effect || v == Duplicate || v == Ghost }

// Accepts says whether the event is the first word of an order's acceptance.
func (v Verdict) Accepts() bool { return v == Promise || v == Open }

// Ends says whether an accepted order has come to its end with this event.
func (v Verdict) Ends() bool { return v == Effect || v == GivenUp }

// Judge returns the verdict on each event of a whole history, in the order of the
// events. Which of two effects is the first, their times say; where these are equal, the
// one that stands first is. The number of each verdict does not depend on either.
func Judge(events []Event) []Verdict {
	verdicts, orders := make([]Verdict, len(events)), map[string]fate{}
	for _, i := range byTime(events) {
		e := events[i]
		orders[e.Order], verdicts[i] = orders[e.Order].add(e)
	}
	for i, e := range events {
		verdicts[i] = orders[e.Order].final(verdicts[i])
	}
	return verdicts
}

// byTime is the places of the events, the earliest first.
func byTime(events []Event) []int {
	places := make([]int, len(events))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return events[a].Time.Compare(events[b].Time)
	})
	return places
}

// add is the fate with one more event, and what the event adds to what was known.
func (f fate) add(e Event) (fate, Verdict) {
	switch e.Kind {
	case Accepted:
		return f.promised(e.Process == Customer)
	case Received:
		f.received++
		return f, Delivery
	case Processed:
		return f.done(e.Effect)
	case Failed:
		verdict := GivenUp
		if f.failed {
			verdict = Repeat
		}
		f.failed = true
		return f, verdict
	case Skipped:
		f.skipped++
		return f, Skip
	default:
		return f, Unknown
	}
}

// promised counts an acceptance. That an order was accepted is one fact, however many
// say so. But each customer speaks for one order, and says it once.
func (f fate) promised(byCustomer bool) (fate, Verdict) {
	verdict := Promise
	if f.accepted {
		verdict = Repeat
	}
	f.accepted = true
	if byCustomer {
		if f.customers++; f.customers > 1 {
			verdict = Reuse
		}
	}
	return f, verdict
}

// done counts an effect, unless it is one that was reported before.
func (f fate) done(effect string) (fate, Verdict) {
	if effect != "" {
		if slices.Contains(f.effects, effect) {
			return f, Repeat
		}
		f.effects = append(slices.Clone(f.effects), effect)
	}
	if f.processed++; f.processed > 1 {
		return f, Duplicate
	}
	return f, Effect
}

// final is the verdict when all is known of the order: a promise that was not kept, an
// effect that nobody was promised.
func (f fate) final(v Verdict) Verdict {
	switch {
	case v == Promise && f.open():
		return Open
	case v == Effect && !f.accepted:
		return Ghost
	case v == GivenUp && f.processed > 0:
		return Contradiction
	case v == GivenUp && !f.accepted:
		return Declined
	default:
		return v
	}
}

// open says that the order was accepted and has no end.
func (f fate) open() bool { return f.accepted && f.processed == 0 && !f.failed }
