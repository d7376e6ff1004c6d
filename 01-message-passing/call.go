package main

import (
	"fmt"
	"io"
)

// In Smalltalk, where the words come from, objects send each other messages. A
// method call is the simplest form: the name of the method and its arguments are
// the message, the result is the answer.

// Consumer is the receiver. It adds what it is sent, and counts its messages:
// that is its state, and nobody else has any business with it.
type Consumer struct{ handled int }

// Elaborate answers one message. Like most methods it is not safe for concurrent
// use, and nothing in its signature says so.
func (c *Consumer) Elaborate(a, b int) int {
	c.handled++
	return a + b
}

// Call is the sender. It names the type of its receiver, so the compiler knows
// which code will run and may even copy it to this place. Notice what the sender
// does until Elaborate returns: nothing. There is one thread of control, and the
// receiver has it.
func Call(out io.Writer, consumer *Consumer, n int) {
	for i := 1; i <= n; i++ {
		result := consumer.Elaborate(i, i)
		fmt.Fprintf(out, "  Counter: %d with result: %d\n", i, result)
	}
}
