package saga

import (
	"maps"
	"slices"
	"strings"
)

// variant is a way to run the step. Choreography is as right as orchestration;
// each of the others leaves one thing out.
type variant struct {
	choreography bool // nobody leads: see choreography.go

	// noCompensation ends a saga at the first no. It looks complete: the order is
	// Cancelled, and the customer is told why.
	//
	// What goes wrong: the steps before the no stay done. Money is taken, and
	// nothing is shipped.
	noCompensation bool

	// notIdempotent takes every command for a new one.
	//
	// What goes wrong: a broker delivers at least once. The second delivery of a
	// command charges the card a second time.
	notIdempotent bool

	// delivery is when messages leave.
	delivery delivery
}

// delivery is when the messages of a transaction are published.
type delivery int

const (
	// throughOutbox: they commit with the state, and a relay publishes them.
	throughOutbox delivery = iota
	// afterCommit saves the table and the relay: commit, then publish.
	//
	// What goes wrong: killed between the two, the state has moved on and nobody
	// is told. The message that caused it is in the inbox, so its redelivery does
	// nothing: the saga is stuck for ever.
	afterCommit
	// beforeCommit turns it round: publish, then commit.
	//
	// What goes wrong: killed between the two, the world acts on what has never
	// happened. A customer pays for an order that the shop does not have.
	beforeCommit
)

var variants = map[string]variant{
	"":                {},
	"right":           {},
	"choreography":    {choreography: true},
	"no-compensation": {noCompensation: true},
	"not-idempotent":  {notIdempotent: true},
	"no-outbox":       {delivery: afterCommit},
	"publish-first":   {delivery: beforeCommit},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// instead is where a saga goes to undo what was done: nowhere, if it does not.
func (r Rules) instead(compensation State) State {
	if !r.Compensating {
		return Cancelled
	}
	return compensation
}
