// Command shop is a producer, a channel, and consumers in the same process.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

var (
	errFull    = errors.New("the queue is full")
	errTooLate = errors.New("the time to drain was over")
)

func run(ctx context.Context) error {
	f := shop.NewFlags("shop")
	capacity, workers := f.Int("queue", 64, "they wait"), f.Int("workers", 2, "at a time")
	f.Env("queue", "QUEUE")
	f.Env("workers", "WORKERS")
	work := f.Duration("work", 20*time.Millisecond, "for one order")
	f.Env("work", "WORK")
	drain := f.Duration("drain", 5*time.Second, "after SIGTERM")
	f.Env("drain", "DRAIN")
	if err := f.Parse(os.Args[1:]); err != nil {
		return err
	}
	orders := make(chan shop.Order, *capacity)
	produce := func(_ context.Context, order shop.Order) error {
		select {
		case orders <- order:
			return nil
		default:
			return shop.Unavailable(errFull, time.Second)
		}
	}
	counter := shop.Counter{Place: produce, Details: func(context.Context) map[string]any {
		return map[string]any{"depth": len(orders), "in_progress": inProgress.Load()}
	}}
	// The work goes on for a while after SIGTERM, and then no longer.
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(orders) // Serve has returned: nobody sends any more
		defer time.AfterFunc(*drain, func() { stop(errTooLate) })
		return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
	})
	for range *workers {
		group.Go(func() error { return consume(working, orders, *work) })
	}
	return group.Wait()
}

var inProgress atomic.Int64 // orders in work

// consume ends when the channel is closed and empty.
func consume(ctx context.Context, orders <-chan shop.Order, work time.Duration) error {
	for order := range orders {
		if ctx.Err() != nil {
			shop.Failed(ctx, order.ID, context.Cause(ctx).Error())
			continue
		}
		shop.Received(ctx, order.ID, 1, slog.Int("depth", len(orders)))
		inProgress.Add(1)
		err := shop.Work(ctx, order, work)
		inProgress.Add(-1)
		if err != nil {
			shop.Failed(ctx, order.ID, err.Error())
			continue
		}
		shop.Processed(ctx, order.ID)
	}
	return nil
}
