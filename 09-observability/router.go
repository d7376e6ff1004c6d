package observability

import (
	"context"
	"errors"
	"fmt"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/cenkalti/backoff/v5"
)

// Handler does the work for one message and returns the events that follow from it, which the
// router publishes before it acknowledges the message. An error is a failed attempt.
type Handler func(*message.Message) ([]*message.Message, error)

// errUnreadable says that a message cannot be read, now or later: it is not tried again.
var errUnreadable = errors.New("not an order of ours")

// unreadable is permanent to the retry. Its option ShouldRetry would do as well, but each time
// it is asked it takes a step of the pauses: they would grow by four instead of two.
func unreadable(err error) error {
	return backoff.Permanent(fmt.Errorf("%w: %w", errUnreadable, err))
}

func retrying(s Settings) message.HandlerMiddleware {
	return middleware.Retry{
		MaxRetries: s.Attempts - 1, InitialInterval: s.Pause, Multiplier: 2,
		MaxInterval: 2 * time.Second, RandomizationFactor: 0.5, ResetContextOnRetry: true,
	}.Middleware
}

// NewRouter wires a handler between two topics. The work of a distributed application is in the
// order of these lines: the first is the outermost, and each sees what those below it return.
//
//	receive     the message's trace goes on here
//	correlate   what follows from an order carries the order's identity
//	poison      what failed for good goes to a queue of its own, with the reason
//	handFree    whatever is left to be done is the broker's: the worker takes the next message
//	retry       what failed is tried again, with growing pauses
//	process     a span, a measurement and a verdict for each attempt
//	recover     a panic is a failed attempt
func NewRouter(
	b *Broker, t *Telemetry, s Settings, from, to string, handle Handler,
) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: shop.DrainTimeout},
		frameworkLog())
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	publisher := t.Publisher(b.publisher)
	poison, err := middleware.PoisonQueue(givenUp{publisher, t}, PoisonTopic)
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	router.AddMiddleware(
		t.receive(from),
		middleware.CorrelationID,
		poison,
		handFree,
		retrying(s),
		t.process(from),
		middleware.Recoverer,
	)
	b.subscriber.settle = t.settle(from)
	if to == "" {
		router.AddConsumerHandler(from, from, b.subscriber,
			func(m *message.Message) error { _, err := handle(m); return err })
		return router, nil
	}
	router.AddHandler(from, from, b.subscriber, to, insisting{publisher, b.subscriber.ctx},
		message.HandlerFunc(handle))
	return router, nil
}

// handFree lets the worker take the next message while the broker's confirm for the last one is
// on its way. Without it a worker stands still for a round trip and a write to disk per message.
func handFree(h message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		defer deliveryOf(m.Context()).free()
		return h(m)
	}
}

// insisting publishes what follows from work that has been done: to give up would put the message
// back, and have the work done again. It goes on until the process is asked to end.
type insisting struct {
	message.Publisher
	ctx context.Context
}

// Publish tries again, with growing pauses.
func (p insisting) Publish(topic string, messages ...*message.Message) error {
	once := func() (struct{}, error) { return struct{}{}, p.Publisher.Publish(topic, messages...) }
	_, err := backoff.Retry(p.ctx, once, backoff.WithMaxElapsedTime(0),
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second,
			Multiplier: 2, RandomizationFactor: 0.5,
		}))
	return err
}

// givenUp is the way into the poison queue. An order has failed once its message is safe there.
type givenUp struct {
	message.Publisher
	t *Telemetry
}

// Publish says of which order and why. A reason that quotes what a stranger has sent is cut: with
// all of it, the headers would not fit into a frame.
func (g givenUp) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		reason := shop.Reason(errors.New(m.Metadata.Get(middleware.ReasonForPoisonedKey)))
		m.Metadata.Set(middleware.ReasonForPoisonedKey, reason)
	}
	if err := g.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	for _, m := range messages {
		g.t.failed(m.Context(), m, m.Metadata.Get(middleware.ReasonForPoisonedKey))
	}
	return nil
}

// Drain runs the router until ctx ends, then lets it finish what is in progress.
func Drain(ctx context.Context, router *message.Router) error {
	closed, ended := make(chan error, 1), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-router.Running(): // a router that is closed before it runs never ends
			closed <- router.Close()
		case <-ended: // it could not even begin
			closed <- nil
		}
	})
	// Not ctx itself: with it would end the contexts of the messages in progress.
	err := router.Run(context.WithoutCancel(ctx))
	close(ended)
	if stop() {
		return err // it has ended by itself
	}
	return errors.Join(err, <-closed)
}
