package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// In Smalltalk, where the words come from, objects send each other messages. A
// method call is the simplest form: the name of the method and its arguments are
// the message, the result is the answer.

// Consumer is the receiver. It adds what it is sent, which takes a while, and counts
// its messages: that is its state, and nobody else has any business with it.
type Consumer struct {
	takes   time.Duration
	handled int
}

// Elaborate answers one message. Like most methods it is not safe for concurrent
// use, and nothing in its signature says so.
func (c *Consumer) Elaborate(a, b int) int {
	time.Sleep(c.takes)
	c.handled++
	return a + b
}

// Call is the sender. It names the type of its receiver, so the compiler knows
// which code will run and may even copy it to this place. Notice what the sender
// does until Elaborate returns: nothing. There is one thread of control, and the
// receiver has it. Nobody can break off a call, so only between two of them does it
// look whether it shall end.
func Call(ctx context.Context, out io.Writer, consumer *Consumer, n int) error {
	for i := 1; i <= n && ctx.Err() == nil; i++ {
		result := consumer.Elaborate(i, i)
		fmt.Fprintf(out, "  Counter: %d with result: %d\n", i, result)
	}
	return context.Cause(ctx)
}
