package main

import (
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// Deposit adds to the balance once B has approved. Between the two, other calls
// may have changed the balance, so it is read after the wait.
func (a *A) Deposit(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	a.approved(req, fail, ctx, func() {
		a.balance += req.GetAmount()
		respond(&Reply{Balance: a.balance})
	})
	return nil
}

// DepositCarelessly reads before the wait and writes after it. That is step 01's
// lost update, in a grain with a single thread: two turns lie between read and
// write, and what happens between them is overwritten.
func (a *A) DepositCarelessly(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	seen := a.balance
	a.approved(req, fail, ctx, func() {
		a.balance = seen + req.GetAmount()
		respond(&Reply{Balance: a.balance})
	})
	return nil
}

// DepositWaiting waits within its turn. That is safe, because nobody else is let
// in meanwhile, and it is a blocking turn: whoever else wants something of this
// grain waits for B, and they do not even know it.
func (a *A) DepositWaiting(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	_, err := GetGrainBGrainClient(ctx.Cluster(), req.GetPartner()).Approve(
		&Call{}, engine.Within(a.settings.Timeout))
	if err != nil {
		return nil, err
	}
	a.balance += req.GetAmount()
	return &Reply{Balance: a.balance}, nil
}

// approved goes on with then once B has approved.
func (a *A) approved(
	req *Call, fail func(error), ctx cluster.GrainContext, then func(),
) {
	silo, timeout := ctx.Cluster(), a.settings.Timeout
	Await(ctx, timeout,
		func() (*Reply, error) {
			return GetGrainBGrainClient(silo, req.GetPartner()).Approve(
				&Call{}, engine.Within(timeout))
		},
		func(_ *Reply, err error) {
			if err != nil {
				fail(err)
				return
			}
			then()
		})
}
