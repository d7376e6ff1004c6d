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

// Client sends messages to a mailbox, one at a time. Use it from one goroutine.
type Client struct {
	mailbox chan<- Message
	replies chan Reply
}

// NewClient returns a client of the receiver that reads the mailbox.
func NewClient(mailbox chan<- Message) *Client {
	return &Client{mailbox: mailbox, replies: make(chan Reply, 1)}
}

// Ask sends one message and waits for its answer, but not longer than ctx.
func (c *Client) Ask(ctx context.Context, a, b int) (int, error) {
	select {
	case c.mailbox <- Message{A: a, B: b, Reply: c.replies}:
	case <-ctx.Done():
		return 0, fmt.Errorf("the mailbox is full: %w", context.Cause(ctx))
	}
	select {
	case reply := <-c.replies:
		return reply.Result, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("nobody answered the message: %w", context.Cause(ctx))
	}
}
