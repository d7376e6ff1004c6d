// Command consumer is a projector: it reads the log and keeps read models. Start it as often
// as you like.
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
	settings, err := eventsourcing.ConsumerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := eventsourcing.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	send := func(ctx context.Context, order shop.Order) error {
		return shop.Work(ctx, order, settings.Work)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range settings.ProjectionNames() {
		projector := eventsourcing.NewProjector(pool, settings, name, send)
		group.Go(func() error { return projector.Run(ctx) })
	}
	return group.Wait()
}
