// Package putback moves dead letters back to where they came from.
package putback

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// PutBack moves all messages of one queue to another, in order, and returns how many it has moved.
// The channel is its own.
func PutBack(ctx context.Context, channel *amqp.Channel, from, to string) (int, error) {
	if err := channel.Confirm(false); err != nil {
		return 0, fmt.Errorf("ask for confirms: %w", err)
	}
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	for moved := 0; ; moved++ {
		letter, found, err := channel.Get(from, false)
		if err != nil || !found {
			return moved, err
		}
		if err := publish(ctx, channel, to, letter, returned); err != nil {
			return moved, fmt.Errorf("message %s stays in %s: %w", letter.MessageId, from, err)
		}
		// Only now: a program that dies here leaves the message in both queues.
		if err := letter.Ack(false); err != nil {
			return moved, fmt.Errorf("message %s is in both queues: %w", letter.MessageId, err)
		}
	}
}

// publish returns nil once the queue has the message.
func publish(
	ctx context.Context, channel *amqp.Channel, to string, letter amqp.Delivery,
	returned <-chan amqp.Return,
) error {
	delete(letter.Headers, "x-reason")
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", to, true, false,
		amqp.Publishing{
			Headers: letter.Headers, ContentType: letter.ContentType, Type: letter.Type,
			MessageId: letter.MessageId, DeliveryMode: amqp.Persistent, Body: letter.Body,
		})
	if err != nil {
		return err
	}
	ok, err := confirm.WaitContext(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("the queue has refused it")
	}
	select {
	case <-returned:
		return fmt.Errorf("there is no queue %s", to)
	default:
		return nil
	}
}
