// Package ledger counts what became of every order.
//
// It sees a run from outside only, as the events that the processes logged, and
// answers the one question that matters after a fault: was anything that the
// shop had accepted lost, or done twice? The idea is Jepsen's: keep the whole
// history of a run, then check it against a model. The model here is a set of
// orders, each of which must end processed exactly once or given up openly.
package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what happened to an order.
type Kind string

// The kinds of events, named as in the log lines that report them.
const (
	Accepted  Kind = "accepted"  // the customer has the shop's word
	Received  Kind = "received"  // a consumer works on it
	Processed Kind = "processed" // its effect on the world happened
	Failed    Kind = "failed"    // given up, for a stated reason
	Skipped   Kind = "skipped"   // came again, was not done again
)

// Customer is the process of what customers say themselves: that they got an answer
// with the identity of their order.
const Customer = "customer"

// Event is one line of the history.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Order   string    `json:"order"`
	Process string    `json:"process"`
	Attempt int       `json:"attempt,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Effect is the identity of the effect that a processed event reports, from
	// steps that know one. Two reports of one effect are one effect: a process
	// that was killed between an effect and its line in the log may report it
	// when it is back, without knowing whether it had.
	Effect string `json:"effect,omitempty"`
}

// Ledger counts events. The zero value is an empty ledger. It is not safe for
// concurrent use.
//
// No rule depends on the order in which events arrive: the lines of two
// processes come through two pipes, so that a consumer's "processed" is often
// read before the producer's "accepted".
type Ledger struct {
	orders map[string]fate
	sum    Summary
}

// fate is what is known of one order.
type fate struct {
	accepted          bool
	failed            bool
	customers         uint32 // who were given this identity for their order
	received, skipped uint32
	processed         uint32
	effects           []string // those of the processed that have an identity
}

// Summary is the ledger's account. Every order is in exactly one of Processed,
// Failed and Open if it was accepted, and in Ghosts (or nowhere, if nothing was
// done for it) if it was not.
type Summary struct {
	Accepted  int `json:"accepted"`
	Processed int `json:"processed"` // accepted orders whose effect happened
	Failed    int `json:"failed"`    // accepted orders given up without effect
	// Open is accepted orders without an end. While a run goes on they are in
	// flight; once everything has drained they are lost.
	Open int `json:"open"`
	// Duplicated counts effects beyond an order's first.
	Duplicated int `json:"duplicated"`
	// Ghosts are orders with an effect that nobody was promised: the producer
	// died, or gave up waiting, after the order was safe and before it could
	// say so. The customer was told "not now" and served all the same.
	Ghosts int `json:"ghosts"`
	// Contradictions are orders both given up and processed.
	Contradictions int `json:"contradictions"`
	// Reused counts the customers who were given the identity of another one's
	// order: of their own nobody will ever hear.
	Reused int `json:"reused"`
	// Deliveries is how often any order was received; MaxAttempts, how often
	// the most-delivered one was.
	Deliveries  int `json:"deliveries"`
	MaxAttempts int `json:"max_attempts"`
	Skipped     int `json:"skipped"`
}

// Add takes one event into the account, and returns what it adds to what was known
// before. What comes later may show it in another light; [Judge] knows the whole.
func (l *Ledger) Add(e Event) Verdict {
	before := l.orders[e.Order]
	after, verdict := before.add(e)
	if verdict == Unknown {
		return verdict
	}
	if l.orders == nil {
		l.orders = make(map[string]fate)
	}
	l.orders[e.Order] = after
	l.sum.move(before, -1)
	l.sum.move(after, +1)
	l.sum.MaxAttempts = max(l.sum.MaxAttempts, int(after.received))
	return verdict
}

// move adds n times what one order of that fate contributes.
func (s *Summary) move(f fate, n int) {
	s.Deliveries += n * int(f.received)
	s.Skipped += n * int(f.skipped)
	if f.processed > 1 {
		s.Duplicated += n * int(f.processed-1)
	}
	if f.customers > 1 {
		s.Reused += n * int(f.customers-1)
	}
	if f.failed && f.processed > 0 {
		s.Contradictions += n
	}
	switch done := f.processed > 0; {
	case !f.accepted && done:
		s.Ghosts += n
	case !f.accepted:
		// Refused, which the customer knows; or given up without an effect.
	case done:
		s.Accepted += n
		s.Processed += n
	case f.failed:
		s.Accepted += n
		s.Failed += n
	default:
		s.Accepted += n
		s.Open += n
	}
}

// Summary returns the account as it stands.
func (l *Ledger) Summary() Summary { return l.sum }

// Open lists up to limit of the accepted orders that have no end.
func (l *Ledger) Open(limit int) []string {
	var open []string
	for id, f := range l.orders {
		if len(open) == limit {
			break
		}
		if f.open() {
			open = append(open, id)
		}
	}
	return open
}

var kinds = []Kind{Accepted, Received, Processed, Failed, Skipped}

// Kinds are all kinds of events.
func Kinds() []Kind { return slices.Clone(kinds) }

// ParseMessage maps a log record's message, such as "order accepted", to the kind of
// event it reports.
func ParseMessage(msg string) (Kind, bool) {
	word, isOrder := strings.CutPrefix(msg, "order ")
	return Kind(word), isOrder && slices.Contains(kinds, Kind(word))
}

// String is the account in one line, for a log. What ought never to be is named only
// where it is.
func (s Summary) String() string {
	text := fmt.Sprintf("accepted %d, processed %d, failed %d, open %d, duplicated %d",
		s.Accepted, s.Processed, s.Failed, s.Open, s.Duplicated)
	for _, never := range []struct {
		name  string
		count int
	}{{"ghosts", s.Ghosts}, {"contradictions", s.Contradictions}, {"reused", s.Reused}} {
		if never.count > 0 {
			text += fmt.Sprintf(", %s %d", never.name, never.count)
		}
	}
	return text
}
