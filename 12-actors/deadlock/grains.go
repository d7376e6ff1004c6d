package main

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// Settings are what the variants differ in.
type Settings struct {
	Timeout time.Duration // of the first call of a chain; the next has half of it
	Detect  bool          // refuse a call that would close a cycle
	Approve func()        // the slow service behind B
}

// A is the lecture's GrainA. Its balance is for interleaving.go.
type A struct {
	engine.Hooks
	settings Settings
	balance  int64
}

// B is the lecture's GrainB.
type B struct {
	engine.Hooks
	settings Settings
}

// Kinds are both kinds of grains.
func Kinds(s Settings) []*cluster.Kind {
	return []*cluster.Kind{
		NewGrainAKind(func() GrainA { return &A{settings: s} }, time.Minute),
		NewGrainBKind(func() GrainB { return &B{settings: s} }, time.Minute),
	}
}

// AskWaiting calls B and waits, as one would without a second thought. While it
// waits its turn goes on, so the engine lets nobody else in.
func (a *A) AskWaiting(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	return callB(ctx, ChainOf(ctx), req, a.settings.Timeout)
}

// AskReentrant calls B and ends its turn. It is not in the chain that it sends
// along: it asks, but nobody has to wait for it.
func (a *A) AskReentrant(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	Await(ctx, a.settings.Timeout,
		func() (*Reply, error) { return callB(ctx, nil, req, a.settings.Timeout) },
		func(reply *Reply, err error) {
			if err != nil {
				fail(err)
				return
			}
			respond(reply)
		})
	return nil
}

// Answer is what B wants to know.
func (a *A) Answer(_ *Call, ctx cluster.GrainContext) (*Reply, error) {
	return &Reply{
		Text:    fmt.Sprintf("%s answers", engine.Key(ctx.Kind(), ctx.Identity())),
		Balance: a.balance,
	}, nil
}

// CallBack calls the A that called: the cycle.
func (b *B) CallBack(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	chain, next := ChainOf(ctx), engine.Key("GrainA", req.GetPartner())
	if b.settings.Detect {
		if err := chain.Check(next); err != nil {
			return nil, err
		}
	}
	// Less time than our caller has: then the error of the last in the chain,
	// which knows all of it, is back before the first one gives up.
	timeout := b.settings.Timeout / 2
	reply, err := GetGrainAGrainClient(ctx.Cluster(), req.GetPartner()).Answer(
		&Call{}, chain.Options(ctx.Cluster(), timeout)...)
	if err != nil {
		return nil, chain.late(next, timeout, err)
	}
	return reply, nil
}

// Approve asks the slow service.
func (b *B) Approve(*Call, cluster.GrainContext) (*Reply, error) {
	b.settings.Approve()
	return &Reply{Text: "approved"}, nil
}

// callB tells B whom to call back: the A that is calling.
func callB(
	ctx cluster.GrainContext, chain Chain, req *Call, timeout time.Duration,
) (*Reply, error) {
	reply, err := GetGrainBGrainClient(ctx.Cluster(), req.GetPartner()).CallBack(
		&Call{Partner: ctx.Identity()}, chain.Options(ctx.Cluster(), timeout)...)
	if err != nil {
		return nil, fmt.Errorf("%s", engine.Reason(err))
	}
	return reply, nil
}
