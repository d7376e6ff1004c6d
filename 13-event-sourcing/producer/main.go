// Command producer takes commands over HTTP, and appends what they decide to the log.
package main

import (
	"context"
	"os"

	eventsourcing "course.example/13-event-sourcing"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := eventsourcing.ProducerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := eventsourcing.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	producer := eventsourcing.NewProducer(pool, settings)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return producer.Run(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, producer.Handler()) })
	return group.Wait()
}
