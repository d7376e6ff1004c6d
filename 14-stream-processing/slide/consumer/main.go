// Command consumer is the slide's: it adds up what is sold in each minute.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	streams "course.example/14-stream-processing"
	"course.example/shop"
	"github.com/nats-io/nats.go/jetstream"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	db, err := streams.OpenSums(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	js, partitions, err := streams.Connect(ctx, os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	records := make(chan jetstream.Msg)
	autoCommit := jetstream.ConsumerConfig{Durable: "sales", AckPolicy: jetstream.AckNonePolicy}
	for _, stream := range partitions {
		consumer, err := js.CreateOrUpdateConsumer(ctx, stream, autoCommit)
		if err == nil {
			_, err = consumer.Consume(func(record jetstream.Msg) { records <- record })
		}
		if err != nil {
			return err
		}
	}
	shop.Ready(ctx)
	for {
		select {
		case record := <-records:
			var order shop.Order
			if err := json.Unmarshal(record.Data(), &order); err != nil {
				return err
			}
			shop.Received(ctx, order.ID, 1)
			if err := shop.Work(ctx, order, 25*time.Millisecond); err != nil {
				return err
			}
			minute := order.PlacedAt.Truncate(time.Minute) // event time, not time.Now()
			if err := streams.Count(ctx, db, record, minute, order.TotalCents()); err != nil {
				return err
			}
			shop.Processed(ctx, order.ID)
		case <-ctx.Done():
			return nil
		}
	}
}
