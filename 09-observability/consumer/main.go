// Command consumer takes orders out of the queue, does their work, and publishes that it is
// done. Start it as often as you like.
package main

import (
	"context"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	s, err := observability.ReadSettings("consumer", os.Args[1:])
	if err != nil {
		return err
	}
	return observability.Consume(ctx, "consumer", s,
		observability.OrdersTopic, observability.NewConsumer)
}
