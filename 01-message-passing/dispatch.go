package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Elaborator is what a sender has to know of a receiver: which message it
// understands. What the receiver does with it is its own affair.
type Elaborator interface {
	Elaborate(a, b int) int
}

// Multiplier is another receiver of the same message. It does not mention
// Elaborator: in Go a type has an interface when it has its methods.
type Multiplier struct{ takes time.Duration }

// Elaborate answers one message, in another way than Consumer does.
func (m Multiplier) Elaborate(a, b int) int {
	time.Sleep(m.takes)
	return a * b
}

// Dispatch is the sender once more, and the loop is the same. But which code
// runs is now decided while the program runs, by the receiver. This sender works
// with receivers that will be written next year.
//
// It still waits, and the receiver still runs in the sender's thread.
func Dispatch(ctx context.Context, out io.Writer, receiver Elaborator, n int) error {
	for i := 1; i <= n && ctx.Err() == nil; i++ {
		result := receiver.Elaborate(i, i)
		fmt.Fprintf(out, "  Counter: %d with result: %d\n", i, result)
	}
	return context.Cause(ctx)
}
