// Command consumer takes events out of the queue and does their work. It reads
// the formats that -codec names, and dead-letters the others.
package main

import (
	"context"
	"os"

	serialization "course.example/08-serialization"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := serialization.ConsumerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	send := func(ctx context.Context, event serialization.OrderPlaced) error {
		if err := shop.Work(ctx, event.Order(), settings.Work); err != nil {
			return err
		}
		shop.Processed(ctx, event.OrderID)
		return nil
	}
	consumer, err := serialization.NewConsumer(settings, send)
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}
