// Command consumer takes orders out of the queue and does their work. Start it
// as often as you like: all of them compete for the same orders.
package main

import (
	"context"
	"os"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := rabbitmq.ConsumerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	send := func(ctx context.Context, order shop.Order) error {
		if err := shop.Work(ctx, order, settings.Work); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		return nil
	}
	return rabbitmq.NewSubscriber(settings, send).Run(ctx)
}
