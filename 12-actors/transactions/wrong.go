package main

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
)

// Add changes the amount at once: no promise, and no memory of what it was for.
func (a *AccountGrain) Add(leg *Leg, ctx cluster.GrainContext) (*Vote, error) {
	b, err := a.change()
	if err != nil {
		return nil, err
	}
	if b.Amount+leg.GetAmount() < 0 {
		return &Vote{Reason: fmt.Sprintf("%s has only %d", ctx.Identity(), b.Amount)}, nil
	}
	b.Amount += leg.GetAmount()
	return &Vote{Yes: true}, a.state.Write(context.Background(), b, "")
}

// HastyTransfer takes from one account and gives to the other. Each of the two
// writes is safe. What lies between them is nobody's.
type HastyTransfer struct{ TransferGrain }

// Run takes, then gives.
func (*HastyTransfer) Run(order *Order, ctx cluster.GrainContext) (*Outcome, error) {
	p, err := begin(order)
	if err != nil {
		return nil, err
	}
	legs := p.legs(ctx.Identity())
	for _, id := range []string{p.From, p.To} {
		vote, err := GetAccountGrainClient(ctx.Cluster(), id).Add(
			legs[id], engine.Within(timeout))
		if err != nil {
			return nil, fmt.Errorf("%s: %s", id, engine.Reason(err))
		}
		if !vote.GetYes() {
			return &Outcome{Status: string(Refused), Reason: vote.GetReason()}, nil
		}
	}
	return &Outcome{Status: string(Done)}, nil
}

// HastyKinds are the same accounts, with transfers that are in a hurry.
func HastyKinds(dir *filestore.Dir) []*cluster.Kind {
	return []*cluster.Kind{Kinds(dir)[0],
		NewTransferKind(func() Transfer {
			return &HastyTransfer{TransferGrain{dir: dir}}
		}, time.Minute)}
}
