package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// BadKinds are the kinds of messages that [Inject] knows.
const BadKinds = "garbage, wrong-version or duplicate"

// Inject puts count messages of a kind into the queue, each confirmed. Garbage
// is no JSON, wrong-version is an order of a version that no consumer here
// reads, and duplicate is one good order twice, as from a producer that did not
// wait for the confirm and sent it again. What has an order id is logged as
// accepted: somebody answers for it.
func Inject(ctx context.Context, settings Settings, kind string, count int) error {
	bad, known := map[string]func() ([]amqp.Publishing, error){
		"garbage": garbage, "wrong-version": wrongVersion, "duplicate": duplicate,
	}[kind]
	if !known {
		return usagef("kind %q is unknown: want %s", kind, BadKinds)
	}
	p := NewPublisher(settings)
	p.topology.found = true // by the producer, whose queue it is
	s, err := connect(ctx, settings, "inject", p.topology)
	if err != nil {
		return err
	}
	if err := s.channel.Confirm(false); err != nil {
		return errors.Join(fmt.Errorf("ask for confirms: %w", err), s.close())
	}
	for range count {
		if err = putAll(ctx, s, p.topology.queue, bad); err != nil {
			break
		}
	}
	return errors.Join(err, s.close())
}

func putAll(
	ctx context.Context, s *session, queue string, bad func() ([]amqp.Publishing, error),
) error {
	messages, err := bad()
	if err != nil {
		return err
	}
	for i, m := range messages {
		confirm, err := s.channel.PublishWithDeferredConfirmWithContext(
			ctx, amqp.DefaultExchange, queue, true, false, m)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		if ok, err := confirm.WaitContext(ctx); err != nil || !ok {
			return errors.Join(ErrUnconfirmed, err)
		}
		if i == 0 && m.MessageId != "" {
			shop.Accepted(ctx, m.MessageId)
		}
	}
	return nil
}

func garbage() ([]amqp.Publishing, error) {
	return []amqp.Publishing{{
		Type:         OrderPlaced,
		ContentType:  contentType,
		DeliveryMode: amqp.Persistent,
		Body:         []byte("\x00 this is not JSON"),
	}}, nil
}

func wrongVersion() ([]amqp.Publishing, error) {
	m, err := sample()
	m.Type = "order.placed.v9"
	return []amqp.Publishing{m}, err
}

func duplicate() ([]amqp.Publishing, error) {
	m, err := sample()
	return []amqp.Publishing{m, m}, err
}

func sample() (amqp.Publishing, error) {
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		return amqp.Publishing{}, err
	}
	return encode(order)
}
