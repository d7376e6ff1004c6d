// Command consumer takes orders out of the queue.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	rabbitmq "course.example/07-rabbitmq"
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
	if err := rabbitmq.Declare(channel); err != nil {
		return err
	}
	const autoAck = true
	messages, err := channel.ConsumeWithContext(ctx,
		rabbitmq.OrdersQueue, "", autoAck, false, false, false, nil)
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
	}
	return nil
}
