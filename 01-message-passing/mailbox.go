package main

import (
	"context"
	"fmt"
	"io"
)

// Now the message becomes a thing: a value that can be handed over, can lie in a
// queue, and one day can travel over a wire.
type message struct {
	a, b int
	// reply is where the answer goes. A message that wants an answer must carry
	// its return address: whoever reads it knows nothing else of the sender.
	reply chan<- int
}

// Mailbox is the address of a receiver that has a thread of its own. Any number
// of goroutines may send to it at once.
type Mailbox struct{ messages chan message }

// room is how many messages can lie in a mailbox. It is a queue: a sender puts its
// message there also while the receiver is busy with another one.
const room = 16

// NewMailbox returns a mailbox that nobody reads yet.
func NewMailbox() Mailbox { return Mailbox{make(chan message, room)} }

// Serve answers the messages with receiver, one after the other, until ctx ends.
// The goroutine that runs it is the only one that touches the receiver: it owns
// it. So the receiver needs no lock, though many ask at once. "Do not communicate
// by sharing memory; instead, share memory by communicating."
func (m Mailbox) Serve(ctx context.Context, receiver Elaborator) {
	for {
		select {
		case msg := <-m.messages:
			msg.reply <- receiver.Elaborate(msg.a, msg.b)
		case <-ctx.Done():
			return
		}
	}
}

// Ask sends one message and waits for its answer, but not longer than ctx. A call
// needs no such limit: it returns or it panics. A mailbox may have nobody behind
// it any more, and then the answer does not come. A message whose sender has given
// up stays in the mailbox, and is answered for nobody.
func (m Mailbox) Ask(ctx context.Context, a, b int) (int, error) {
	// Room for one: the receiver can always put its answer down and go on, even
	// if the sender has given up waiting for it.
	reply := make(chan int, 1)
	select {
	case m.messages <- message{a, b, reply}:
	case <-ctx.Done():
		return 0, fmt.Errorf("the mailbox is full: %w", context.Cause(ctx))
	}
	select {
	case result := <-reply:
		return result, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("nobody answered the message: %w", context.Cause(ctx))
	}
}

// Exchange is the sender a third time. Two threads of control now, and yet the
// sender does what it did before: it waits.
func Exchange(ctx context.Context, out io.Writer, mailbox Mailbox, n int) error {
	for i := 1; i <= n; i++ {
		result, err := mailbox.Ask(ctx, i, i)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		fmt.Fprintf(out, "  Counter: %d with result: %d\n", i, result)
	}
	return nil
}
