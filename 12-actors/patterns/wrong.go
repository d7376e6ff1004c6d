package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// AskWaiting calls B and waits, as one would without a second thought. While it waits its turn
// goes on, so the engine lets nobody else in.
func (a *A) AskWaiting(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	return callB(ctx, ChainOf(ctx), req, a.how.timeout)
}

// DepositCarelessly reads before the wait and writes after it. That is step 01's lost update, in a
// grain with a single thread: two turns lie between read and write, and what happens between them
// is overwritten.
func (a *A) DepositCarelessly(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	seen := a.balance
	a.approved(req, ctx, fail, func(*Reply) {
		a.balance = seen + req.GetAmount()
		respond(&Reply{Balance: a.balance})
	})
	return nil
}

// DepositWaiting waits within its turn. That is safe, because nobody else is let in meanwhile, and
// it is a blocking turn: whoever else wants something of this grain waits for B, and they do not
// even know it.
func (a *A) DepositWaiting(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	_, err := GetGrainBGrainClient(ctx.Cluster(), req.GetPartner()).Approve(
		&Call{}, engine.Within(a.how.timeout))
	if err != nil {
		return nil, err
	}
	a.balance += req.GetAmount()
	return &Reply{Balance: a.balance}, nil
}

// forgetful is the engine's own default for topics: subscriptions live in the memory of the topic,
// and end with its activation.
type forgetful = cluster.EmptyKeyValueStore[*cluster.Subscribers]

// subscribe is what every consumer of a stream must remember to do, once, before the first event,
// and again whenever the topic has forgotten.
func subscribe(silo *cluster.Cluster, stream, id string, kinds ...string) error {
	for _, kind := range kinds {
		_, err := silo.SubscribeByClusterIdentity(stream,
			cluster.NewClusterIdentity(id, kind), engine.Within(timeout))
		if err != nil {
			return fmt.Errorf("subscribe %s to %s: %w", engine.Key(kind, id), stream, err)
		}
	}
	return nil
}

// notForwarded calls on without the context of the call in progress: behind the first grain nobody
// knows who has asked.
func notForwarded(cluster.GrainContext) cluster.GrainCallOption { return engine.Within(timeout) }

// variable keeps "the current role" in a place that is not the message. There is no such thing as
// the current role: many calls are under way at once. It has no data race, and it is wrong.
//
// The schedule is one that a machine may choose at any time; here it is chosen on purpose. The
// guest writes, the admin writes, and only then the guest reads.
type variable struct {
	role                   atomic.Value
	guestWrote, adminWrote chan struct{}
}

func newVariable() *variable {
	return &variable{guestWrote: make(chan struct{}), adminWrote: make(chan struct{})}
}

func (v *variable) forward(ctx cluster.GrainContext) cluster.GrainCallOption {
	if role := RoleOf(ctx); role == "admin" {
		<-v.guestWrote
		v.role.Store(role)
		close(v.adminWrote)
	} else {
		v.role.Store(role)
		close(v.guestWrote)
		<-v.adminWrote
	}
	return As(ctx.Cluster(), v.role.Load().(string))
}

// alarm is a tick that nobody may miss, and that is the mistake.
type alarm struct{}

// byTimer keeps in the activation's memory what must outlive the activation.
func byTimer(p *PotGrain, in time.Duration, ctx cluster.GrainContext) error {
	p.sendMyself(in, &alarm{}, ctx)
	return nil
}

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

// HastyTransfer takes from one account and gives to the other. Each of the two writes is safe. What
// lies between them is nobody's.
type HastyTransfer struct{ TransferGrain }

// Run takes, then gives.
func (*HastyTransfer) Run(order *Order, ctx cluster.GrainContext) (*Outcome, error) {
	p, err := begin(order)
	if err != nil {
		return nil, err
	}
	legs := p.legs(ctx.Identity())
	for _, id := range []string{p.From, p.To} {
		vote, err := GetAccountGrainClient(ctx.Cluster(), id).Add(legs[id], engine.Within(timeout))
		if err != nil {
			return nil, fmt.Errorf("%s: %s", id, engine.Reason(err))
		}
		if !vote.GetYes() {
			return &Outcome{Status: string(Refused), Reason: vote.GetReason()}, nil
		}
	}
	return &Outcome{Status: string(Done)}, nil
}
