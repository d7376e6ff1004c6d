package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
)

// timeout of a call to an account.
const timeout = 10 * time.Second

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
	dir   *filestore.Dir
	state *engine.State[Progress]
}

// Init finds the state; it is read when it is first wanted.
func (t *TransferGrain) Init(ctx cluster.GrainContext) {
	t.state = engine.NewState[Progress](t.dir, engine.Key(ctx.Kind(), ctx.Identity()))
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

// Kinds are both kinds of grains over one store.
func Kinds(dir *filestore.Dir) []*cluster.Kind {
	return []*cluster.Kind{
		NewAccountKind(func() Account { return &AccountGrain{dir: dir} }, time.Minute),
		NewTransferKind(func() Transfer { return &TransferGrain{dir: dir} }, time.Minute),
	}
}
