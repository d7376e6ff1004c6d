package main

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
)

// Await runs call elsewhere and ends the turn; then runs in a later turn of the
// same grain, when the answer is there. In C# the compiler cuts the method in two
// at the word await, here it is done by hand. In between the grain serves others:
// call must not touch its fields, and then must not trust what it saw of them.
func Await[T any](
	ctx cluster.GrainContext, timeout time.Duration,
	call func() (T, error), then func(T, error),
) {
	type outcome struct {
		value T
		err   error
	}
	root := ctx.ActorSystem().Root
	future := actor.NewFuture(ctx.ActorSystem(), timeout)
	go func() { // ends with the call, which has a time-out of its own
		value, err := call()
		root.Send(future.PID(), &outcome{value, err})
	}()
	ctx.ReenterAfter(future, func(result any, err error) {
		if o, ok := result.(*outcome); ok {
			then(o.value, o.err)
			return
		}
		var none T
		then(none, err)
	})
}
