// Package latereply has a sender that uses one channel for all its replies.
package latereply

import (
	"context"
	"fmt"
)

// Message is what a sender asks.
type Message struct {
	ID    int
	A, B  int
	Reply chan<- Reply
}

// Reply is an answer to the message of the same number.
type Reply struct {
	ID     int
	Result int
}

// maxOpen is how many messages may be without a reply.
const maxOpen = 100

// Client sends messages to a mailbox, one at a time. Use it from one goroutine.
type Client struct {
	mailbox chan<- Message
	replies chan Reply
	sent    int // the number of the last message
	open    int // messages whose reply has not come
}

// NewClient returns a client of the receiver that reads the mailbox.
func NewClient(mailbox chan<- Message) *Client {
	return &Client{mailbox: mailbox, replies: make(chan Reply, maxOpen)}
}

// ErrTooManyOpen says that the receiver has not answered for a long time.
var ErrTooManyOpen = fmt.Errorf("%d messages have no reply yet", maxOpen)

// Ask sends one message and waits for its answer, but not longer than ctx.
func (c *Client) Ask(ctx context.Context, a, b int) (int, error) {
	c.forgetLate()
	if c.open == maxOpen { // a reply would find no room
		return 0, ErrTooManyOpen
	}
	c.sent++
	select {
	case c.mailbox <- Message{ID: c.sent, A: a, B: b, Reply: c.replies}:
		c.open++
	case <-ctx.Done():
		return 0, fmt.Errorf("the mailbox is full: %w", context.Cause(ctx))
	}
	for {
		select {
		case reply := <-c.replies:
			if c.open--; reply.ID == c.sent {
				return reply.Result, nil
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("nobody answered the message: %w", context.Cause(ctx))
		}
	}
}

// forgetLate throws away the replies that nobody waits for.
func (c *Client) forgetLate() {
	for {
		select {
		case <-c.replies:
			c.open--
		default:
			return
		}
	}
}
