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

var errFull = errors.New("the queue is full")

func run(ctx context.Context) error {
	f := shop.NewFlags("shop")
	capacity, workers := f.Int("queue", 64, "they wait"), f.Int("workers", 2, "at a time")
	f.Env("queue", "QUEUE")
	f.Env("workers", "WORKERS")
	work := f.Duration("work", 20*time.Millisecond, "for one order")
	f.Env("work", "WORK")
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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler()) })
	for range *workers {
		group.Go(func() error { return consume(ctx, orders, *work) })
	}
	return group.Wait()
}

var inProgress atomic.Int64 // orders in work

func consume(ctx context.Context, orders <-chan shop.Order, work time.Duration) error {
	for {
		select {
		case order := <-orders:
			shop.Received(ctx, order.ID, 1, slog.Int("depth", len(orders)))
			inProgress.Add(1)
			if err := shop.Work(ctx, order, work); err != nil {
				return err
			}
			inProgress.Add(-1)
			shop.Processed(ctx, order.ID)
		case <-ctx.Done():
			return nil
		}
	}
}
