package saga

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// variant is a way to run the step. Choreography is as right as orchestration;
// each of the others takes one thing away, from outside: the right code does not
// know of them.
type variant struct {
	choreography bool // nobody leads: see choreography.go

	machine   func(machine) machine
	decide    func(is Decision, undo, refuses bool) (Decision, int)
	departure func(*outbox) departure
	permanent func(error) bool
}

var variants = map[string]variant{
	"":             {},
	"right":        {},
	"choreography": {choreography: true},

	// What goes wrong: the steps before the no stay done. Money is taken, and
	// nothing is shipped. It looks complete: the order is Cancelled, and the
	// customer is told why.
	"no-compensation": {machine: withoutCompensation},

	// What goes wrong: a broker delivers at least once. The second delivery of a
	// command charges the card a second time.
	"not-idempotent": {decide: forgetful},

	// Commit, then publish. It saves the table and the relay.
	//
	// What goes wrong: killed between the two, the state has moved on and nobody
	// is told. When its message comes again it means nothing in the new state: the
	// saga is stuck forever.
	"no-outbox": {departure: func(o *outbox) departure { return publishLast{o.bus} }},

	// Publish, then commit.
	//
	// What goes wrong: killed between the two, the world acts on what has never
	// happened. A customer pays for an order that the shop does not have.
	"publish-first": {departure: func(o *outbox) departure { return publishFirst{o.bus} }},

	// Take every error for a server that is away.
	//
	// What goes wrong: a message that the database will never store is tried for
	// ever, and all behind it wait. A restart brings it back.
	"retry-everything": {permanent: func(error) bool { return false }},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// withoutCompensation ends a saga where it would begin to undo.
func withoutCompensation(m machine) machine {
	undoing := []State{RecallingShipment, ReleasingStock, RefundingPayment}
	wrong := slices.Clone(m)
	for i, r := range wrong {
		wrong[i].edges = slices.Clone(r.edges)
		for j, e := range r.edges {
			if slices.Contains(undoing, e.state) && !slices.Contains(undoing, r.state) {
				wrong[i].edges[j].state = Cancelled
			}
		}
	}
	return wrong
}

// forgetful takes each command for a new one.
func forgetful(is Decision, undo, refuses bool) (Decision, int) {
	if !undo {
		is = Undecided
	}
	return is.Next(undo, refuses)
}

type publishLast struct{ bus *bus }

func (publishLast) beforeCommit(context.Context, pgx.Tx, []Message) error { return nil }
func (p publishLast) afterCommit(ctx context.Context, out []Message) error {
	return p.bus.publish(ctx, out)
}

type publishFirst struct{ bus *bus }

func (p publishFirst) beforeCommit(ctx context.Context, _ pgx.Tx, out []Message) error {
	return p.bus.publish(ctx, out)
}
func (publishFirst) afterCommit(context.Context, []Message) error { return nil }
