// Command consumer takes orders out of the queue.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	serialization "course.example/08-serialization"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	conn, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := serialization.Declare(channel); err != nil {
		return err
	}
	if err := channel.Qos(10, 0, false); err != nil {
		return err
	}
	messages, err := channel.ConsumeWithContext(ctx,
		serialization.Queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	shop.Ready(ctx)

	for message := range messages {
		var order shop.Order
		if err := json.Unmarshal(message.Body, &order); err != nil {
			return err
		}
		shop.Received(ctx, order.ID, 1)
		if err := shop.Work(ctx, order, 20*time.Millisecond); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		if err := message.Ack(false); err != nil { // after the effect: step 07
			return err
		}
	}
	return nil
}
