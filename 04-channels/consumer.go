package channels

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"course.example/shop"
)

// Handler is the effect of an order on the world. A nil error says that it has
// happened. The context ends when there is no more time for it; a handler must
// return soon after, because nobody can end a goroutine from outside.
type Handler func(ctx context.Context, order shop.Order) error

// Consumer is a number of workers that take orders from one queue.
type Consumer struct {
	queue    Queue
	settings Settings
	handle   Handler

	inProgress atomic.Int64
	gaveUp     atomic.Int64
	drained    chan struct{} // closed when Run has ended
}

// NewConsumer returns a consumer that has not begun yet.
func NewConsumer(queue Queue, settings Settings, handle Handler) *Consumer {
	return &Consumer{
		queue: queue, settings: settings, handle: handle, drained: make(chan struct{}),
	}
}

// Run works until the queue is closed and empty. From the moment ctx ends it may
// take Settings.Drain for that: an order that is not done by then is given up,
// with a line of its own. Call it once.
func (c *Consumer) Run(ctx context.Context) {
	defer close(c.drained)
	work, done := outlive(ctx, c.settings.Drain, errTooLate)
	defer done()
	var workers sync.WaitGroup
	for n := range c.settings.Workers {
		workers.Go(func() { c.work(work, n+1) })
	}
	workers.Wait()
	slog.InfoContext(ctx, "drained", "given_up", c.gaveUp.Load())
}

// work is one worker: it ends when the queue is closed and empty. To add a consumer
// is to start one more goroutine here.
func (c *Consumer) work(ctx context.Context, worker int) {
	for order := range c.queue.Orders() {
		c.inProgress.Add(1)
		c.process(ctx, order, worker)
		c.inProgress.Add(-1)
	}
}

// process ends with a line for the order, whatever happens: processed, which the
// handler says, or failed and why.
func (c *Consumer) process(ctx context.Context, order shop.Order, worker int) {
	if ctx.Err() != nil { // never begun
		c.giveUp(ctx, order, context.Cause(ctx))
		return
	}
	shop.Received(ctx, order.ID, 1, slog.Int("worker", worker),
		slog.Int("depth", c.queue.Depth()))
	if err := c.safely(ctx, order); err != nil {
		if errors.Is(err, ctx.Err()) {
			err = context.Cause(ctx) // it says more: errTooLate
		}
		c.giveUp(ctx, order, err)
	}
}

func (c *Consumer) giveUp(ctx context.Context, order shop.Order, reason error) {
	c.gaveUp.Add(1)
	shop.Failed(ctx, order.ID, reason.Error())
}

// safely turns a handler's panic into an error. A panic that no one recovers
// ends the whole process: the other workers, the queue and the HTTP server with
// it. Its stack is in the log at level debug.
func (c *Consumer) safely(ctx context.Context, order shop.Order) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.DebugContext(ctx, "the handler panicked", "order", order.ID,
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return c.handle(ctx, order)
}

// InProgress is how many orders the workers have taken and not finished.
func (c *Consumer) InProgress() int { return int(c.inProgress.Load()) }
