// Command consumer takes messages out of the outbox and applies their effects.
// Start it as often as you like: all of them share the same messages.
package main

import (
	"context"
	"os"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := outbox.ConsumerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := outbox.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	pack := func(ctx context.Context, order shop.Order) error {
		return shop.Work(ctx, order, settings.Work)
	}
	return outbox.NewConsumer(pool, settings, pack).Run(ctx)
}
