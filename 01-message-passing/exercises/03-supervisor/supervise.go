// Package supervisor keeps a mailbox served, whatever its receivers do.
package supervisor

import "context"

// Receiver answers messages. It may panic.
type Receiver interface{ Elaborate(a, b int) int }

// Message asks for an answer. Its channel has room for one.
type Message struct {
	A, B  int
	Reply chan<- Answer
}

// Answer is the result, or why there is none.
type Answer struct {
	Result int
	Err    error
}

// Supervise answers the messages with a receiver that newReceiver makes, and with a new one when that
// has panicked. It returns when ctx ends.
func Supervise(ctx context.Context, mailbox <-chan Message, newReceiver func() Receiver) {
	<-ctx.Done()
}
