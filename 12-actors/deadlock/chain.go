package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// chainHeader travels with every call: the grains that wait, the first caller first.
const chainHeader = "call-chain"

const arrow = " → "

// Chain is who waits for whom. Each grain in it holds up its turn until the next
// one has answered.
type Chain []string

func (c Chain) String() string { return strings.Join(c, arrow) }

// ChainOf is the chain that led to the call in hand, its callee included.
func ChainOf(ctx cluster.GrainContext) Chain {
	self := engine.Key(ctx.Kind(), ctx.Identity())
	if before := ctx.MessageHeader().Get(chainHeader); before != "" {
		return append(strings.Split(before, arrow), self)
	}
	return Chain{self}
}

// DeadlockError says that a call would wait for a grain that waits for it.
type DeadlockError struct{ Chain Chain }

func (e *DeadlockError) Error() string {
	return fmt.Sprintf("%s would wait for itself", e.Chain)
}

// Check returns a [DeadlockError] if the next grain is one of those that wait. It
// needs no clock and no lock: everything there is to know came with the call.
// What it cannot see is two chains that cross: A → B and, at the same time,
// B → A. Those still need the time-out.
func (c Chain) Check(next string) error {
	if slices.Contains(c, next) {
		return &DeadlockError{append(slices.Clone(c), next)}
	}
	return nil
}

// Options are those of a call that takes the chain along. The engine's messages
// have headers; a copy of the root context puts ours in.
func (c Chain) Options(silo *cluster.Cluster, timeout time.Duration) []cluster.GrainCallOption {
	withChain := func(next actor.SenderFunc) actor.SenderFunc {
		return func(s actor.SenderContext, to *actor.PID, envelope *actor.MessageEnvelope) {
			envelope.SetHeader(chainHeader, c.String())
			next(s, to, envelope)
		}
	}
	root := silo.ActorSystem.Root.Copy().WithSenderMiddleware(withChain)
	return []cluster.GrainCallOption{engine.Within(timeout), cluster.WithContext(root)}
}

// late is a time-out that names the chain: "no answer in 1s" alone would send
// whoever reads it to the wrong grain.
func (c Chain) late(next string, timeout time.Duration, err error) error {
	return fmt.Errorf("%s: %s (%v)", append(slices.Clone(c), next), engine.Reason(err), timeout)
}
