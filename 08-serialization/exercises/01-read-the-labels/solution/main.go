// Command consumer takes orders out of the queue.
package main

import (
	"context"
	"fmt"
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
		if err := handle(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

// handle acknowledges an order after its effect. What cannot be read becomes a dead letter.
func handle(ctx context.Context, message amqp.Delivery) error {
	event, err := read(message)
	if err == nil {
		shop.Received(ctx, event.OrderID, 1)
		err = shop.Work(ctx, event.Order(), 20*time.Millisecond)
	}
	if err != nil {
		shop.Failed(ctx, message.MessageId, shop.Reason(err))
		return message.Nack(false, false)
	}
	shop.Processed(ctx, event.OrderID)
	return message.Ack(false)
}

// read looks at the label before it looks at the bytes.
func read(message amqp.Delivery) (serialization.OrderPlaced, error) {
	for _, codec := range []serialization.Codec{serialization.JSON, serialization.Protobuf} {
		if codec.ContentType() == message.ContentType {
			return serialization.Read(codec, message.Body, serialization.Current)
		}
	}
	return serialization.OrderPlaced{}, fmt.Errorf("nobody here reads %q", message.ContentType)
}
