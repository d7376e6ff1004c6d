package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
)

// Balance is an account's state, as it is stored.
type Balance struct {
	Amount int64
	// Promised are the legs of transfers that are not decided yet.
	Promised map[string]int64
	// Done are the transfers that have changed the amount: a second commit of the
	// same one must not.
	Done map[string]bool
}

// free is what may still be promised to somebody: the amount without what may
// leave. What may come is not spent before it is there.
func (b Balance) free() int64 {
	free := b.Amount
	for _, amount := range b.Promised {
		free += min(0, amount)
	}
	return free
}

// AccountGrain is a participant of transfers. It never calls anybody, so it can
// be in no cycle.
type AccountGrain struct {
	engine.Hooks
	dir   *filestore.Dir
	state *engine.State[Balance]
}

// Init finds the state; it is read when it is first wanted.
func (a *AccountGrain) Init(ctx cluster.GrainContext) {
	a.state = engine.NewState[Balance](a.dir, engine.Key(ctx.Kind(), ctx.Identity()))
}

// Prepare promises to be able to commit, whatever happens, also after a kill:
// that is why the promise is written down before the vote is given. To promise
// twice is to promise once.
func (a *AccountGrain) Prepare(leg *Leg, ctx cluster.GrainContext) (*Vote, error) {
	b, err := a.change()
	if err != nil {
		return nil, err
	}
	if _, promised := b.Promised[leg.GetTransfer()]; promised || b.Done[leg.GetTransfer()] {
		return &Vote{Yes: true}, nil
	}
	if b.free()+leg.GetAmount() < 0 {
		return &Vote{Reason: fmt.Sprintf("%s has only %d", ctx.Identity(), b.free())}, nil
	}
	b.Promised[leg.GetTransfer()] = leg.GetAmount()
	return &Vote{Yes: true}, a.state.Write(context.Background(), b, "")
}

// Commit keeps the promise, once.
func (a *AccountGrain) Commit(leg *Leg, _ cluster.GrainContext) (*Nothing, error) {
	b, err := a.change()
	if err != nil {
		return nil, err
	}
	amount, promised := b.Promised[leg.GetTransfer()]
	if !promised {
		return &Nothing{}, nil // kept already, before somebody was killed
	}
	delete(b.Promised, leg.GetTransfer())
	b.Done[leg.GetTransfer()] = true
	b.Amount += amount
	return &Nothing{}, a.state.Write(context.Background(), b, "")
}

// Abort forgets a promise, or that there was none.
func (a *AccountGrain) Abort(leg *Leg, _ cluster.GrainContext) (*Nothing, error) {
	b, err := a.change()
	if err != nil {
		return nil, err
	}
	if _, promised := b.Promised[leg.GetTransfer()]; !promised {
		return &Nothing{}, nil
	}
	delete(b.Promised, leg.GetTransfer())
	return &Nothing{}, a.state.Write(context.Background(), b, "")
}

// Look says how much there is.
func (a *AccountGrain) Look(*Nothing, cluster.GrainContext) (*Standing, error) {
	b, err := a.state.Read(context.Background())
	return &Standing{Balance: b.Amount}, err
}

// change returns a copy of the state that may be changed, and is then to be Set.
func (a *AccountGrain) change() (Balance, error) {
	b, err := a.state.Read(context.Background())
	b.Promised, b.Done = maps.Clone(b.Promised), maps.Clone(b.Done)
	if b.Promised == nil {
		b.Promised = map[string]int64{}
	}
	if b.Done == nil {
		b.Done = map[string]bool{}
	}
	return b, err
}
