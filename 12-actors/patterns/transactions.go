package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
)

// Status is how far a transfer has come.
type Status string

// A transfer goes from Preparing to Committed and Done, or to Aborted and Refused.
const (
	Preparing Status = "preparing" // the accounts are asked whether they can
	Committed Status = "committed" // it will be, and nobody can change that any more
	Aborted   Status = "aborted"   // it will not be
	Done      Status = "done"      // both accounts know
	Refused   Status = "refused"   // both accounts know
)

// Progress is a transfer's state, as it is stored.
type Progress struct {
	From, To string
	Amount   int64
	Status   Status
	Reason   string
}

// TransferGrain coordinates one transfer: the two-phase commit of Gray (1978).
type TransferGrain struct {
	engine.Hooks
	files *Files
	state *engine.State[Progress]
}

// Init finds the state; it is read when it is first wanted.
func (t *TransferGrain) Init(ctx cluster.GrainContext) {
	t.state = engine.NewState[Progress](t.files, nameOf(ctx))
}

// Run carries the transfer on from wherever it is to its end. Called again, also
// by another process after a kill, it goes on where the last one was: every step
// may be taken twice. An error says that it is not known how the transfer ends,
// and that one may ask again.
func (t *TransferGrain) Run(order *Order, ctx cluster.GrainContext) (*Outcome, error) {
	for {
		p, err := t.state.Read(context.Background())
		if err != nil {
			return nil, err
		}
		switch p.Status {
		case "":
			p, err = begin(order)
		case Preparing: // phase one
			p.Status, p.Reason, err = vote(ctx, p)
		case Committed: // phase two
			p.Status, err = Done, tell(ctx, p, (*AccountGrainClient).Commit)
		case Aborted:
			p.Status, err = Refused, tell(ctx, p, (*AccountGrainClient).Abort)
		case Done, Refused:
			return &Outcome{Status: string(p.Status), Reason: p.Reason}, nil
		}
		if err != nil {
			return nil, err
		}
		// Writing Committed is the moment in which the transfer happens. It is one
		// write of one file, and that is the trick: two accounts cannot change in
		// one moment, but the decision that they will can.
		if err := t.state.Write(context.Background(), p, ""); err != nil {
			return nil, err
		}
	}
}

func begin(order *Order) (Progress, error) {
	if order.GetAmount() <= 0 || order.GetFrom() == order.GetTo() ||
		order.GetFrom() == "" || order.GetTo() == "" {
		return Progress{}, errors.New("a transfer wants two accounts and a positive amount")
	}
	return Progress{From: order.GetFrom(), To: order.GetTo(), Amount: order.GetAmount(),
		Status: Preparing}, nil
}

// legs are the parts of the two accounts.
func (p Progress) legs(transfer string) map[string]*Leg {
	return map[string]*Leg{
		p.From: {Transfer: transfer, Amount: -p.Amount},
		p.To:   {Transfer: transfer, Amount: p.Amount},
	}
}

// vote asks both accounts. One no is enough.
func vote(ctx cluster.GrainContext, p Progress) (Status, string, error) {
	legs := p.legs(ctx.Identity())
	for _, id := range []string{p.From, p.To} {
		vote, err := GetAccountGrainClient(ctx.Cluster(), id).Prepare(
			legs[id], engine.Within(timeout))
		if err != nil {
			return "", "", fmt.Errorf("ask %s: %s", id, engine.Reason(err))
		}
		if !vote.GetYes() {
			return Aborted, vote.GetReason(), nil
		}
	}
	return Committed, "", nil
}

// tell brings the decision to both accounts. Who cannot be reached now is told
// later: the decision does not wait for it.
func tell(
	ctx cluster.GrainContext, p Progress,
	call func(*AccountGrainClient, *Leg, ...cluster.GrainCallOption) (*Nothing, error),
) error {
	var both errgroup.Group
	for id, leg := range p.legs(ctx.Identity()) {
		both.Go(func() error {
			client := GetAccountGrainClient(ctx.Cluster(), id)
			if _, err := call(client, leg, engine.Within(timeout)); err != nil {
				return fmt.Errorf("tell %s: %s", id, engine.Reason(err))
			}
			return nil
		})
	}
	return both.Wait()
}

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
	files *Files
	state *engine.State[Balance]
}

// Init finds the state; it is read when it is first wanted.
func (a *AccountGrain) Init(ctx cluster.GrainContext) {
	a.state = engine.NewState[Balance](a.files, nameOf(ctx))
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

// change returns a copy of the state that may be changed, and is then to be written.
func (a *AccountGrain) change() (Balance, error) {
	b, err := a.state.Read(context.Background())
	promised, done := map[string]int64{}, map[string]bool{}
	maps.Copy(promised, b.Promised)
	maps.Copy(done, b.Done)
	b.Promised, b.Done = promised, done
	return b, err
}

// bankKinds are both kinds of grains over one store. Whoever is hasty has no transaction.
func bankKinds(files *Files, hasty bool) []*cluster.Kind {
	return []*cluster.Kind{
		NewAccountKind(func() Account { return &AccountGrain{files: files} }, time.Minute),
		NewTransferKind(func() Transfer {
			if hasty {
				return &HastyTransfer{TransferGrain{files: files}}
			}
			return &TransferGrain{files: files}
		}, time.Minute),
	}
}
