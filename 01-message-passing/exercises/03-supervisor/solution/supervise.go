// Package supervisor keeps a mailbox served, whatever its receivers do.
package supervisor

import (
	"context"
	"fmt"
)

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
	receiver := newReceiver()
	for {
		select {
		case m := <-mailbox:
			answer, broken := elaborate(receiver, m)
			if broken {
				receiver = newReceiver()
			}
			m.Reply <- answer
		case <-ctx.Done():
			return
		}
	}
}

// elaborate turns a panic of the receiver into the answer's error.
func elaborate(r Receiver, m Message) (answer Answer, broken bool) {
	defer func() {
		if p := recover(); p != nil {
			answer, broken = Answer{Err: fmt.Errorf("the receiver panicked: %v", p)}, true
		}
	}()
	return Answer{Result: r.Elaborate(m.A, m.B)}, false
}
