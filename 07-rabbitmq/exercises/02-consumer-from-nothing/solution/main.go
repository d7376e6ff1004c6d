// Command consumer takes orders out of the queue, over as many connections as it takes.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := consume(ctx); err != nil {
			slog.Warn("the connection ended; trying again", "reason", err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

// consume works on one connection, until it or ctx ends.
func consume(ctx context.Context) error {
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
	if err := channel.Qos(10, 0, false); err != nil {
		return err
	}
	messages, err := channel.ConsumeWithContext(ctx,
		rabbitmq.OrdersQueue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	shop.Ready(ctx)
	for message := range messages {
		if err := handle(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

// handle acknowledges an order after its effect. What cannot be read, or cannot be done, becomes a
// dead letter.
func handle(ctx context.Context, message amqp.Delivery) error {
	var order shop.Order
	if err := json.Unmarshal(message.Body, &order); err != nil {
		slog.Warn("no order: it becomes a dead letter", "reason", shop.Reason(err))
		return message.Nack(false, false)
	}
	shop.Received(ctx, order.ID, 1)
	if err := shop.Work(ctx, order, 20*time.Millisecond); err != nil {
		shop.Failed(ctx, order.ID, shop.Reason(err))
		return message.Nack(false, false)
	}
	shop.Processed(ctx, order.ID)
	return message.Ack(false)
}
