// Command producer is the slide's: it appends orders to a log, each to the partition of its customer.
package main

import (
	"context"
	"encoding/json"
	"os"

	streams "course.example/14-stream-processing"
	"course.example/shop"
	"github.com/nats-io/nats.go/jetstream"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	js, partitions, err := streams.Connect(ctx, os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer js.Conn().Close()

	place := func(ctx context.Context, order shop.Order) error {
		body, err := json.Marshal(order)
		if err != nil {
			return err
		}
		p := streams.PartitionOf(order.UserEmail, len(partitions))
		_, err = js.Publish(ctx, partitions[p], body, jetstream.WithMsgID(order.ID))
		return err
	}
	counter := shop.Counter{Place: place} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}
