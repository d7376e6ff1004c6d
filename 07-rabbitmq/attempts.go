package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// A message that kills its consumer never gets an answer, and would kill them one by
// one. The broker counts deliveries, and most of those that a killed consumer had
// were only prefetched: nobody had begun them. So a message that has come back too
// often is not guilty yet. It is a suspect, and goes to a queue of which each
// consumer takes one at a time: there a delivery is a beginning.
const (
	maxDeliveries = 10 // of the queue of orders: then it is a suspect
	maxBeginnings = 3  // of a suspect: then it is given up
)

// attemptOf returns how often this message has been delivered, this time
// included, as far as the broker can tell. Delivery.Redelivered is only a
// boolean. RabbitMQ 3.10 counts every return of a message to a quorum queue in
// x-delivery-count. RabbitMQ 4.3 counts there only what was rejected, and in
// x-acquired-count also what was lost with a connection. On a first delivery the
// broker sets neither: what is there then was written by a stranger.
func attemptOf(d amqp.Delivery) int {
	if !d.Redelivered {
		return 1
	}
	return 1 + int(max(
		number(d.Headers["x-delivery-count"]), number(d.Headers["x-acquired-count"])))
}

func number(header any) int64 {
	switch n := header.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	default:
		return 0
	}
}

// try hands the order to the handler until it succeeds, at most
// Settings.Attempts times, with growing pauses. Most failures pass: a mail
// server restarts, a connection is reset. The order stays in progress meanwhile, and
// holds up one worker; putting it back would only bring it here again, at once.
func (s *Subscriber) try(ctx context.Context, order shop.Order) error {
	tries := 0
	once := func() (struct{}, error) {
		tries++
		return struct{}{}, s.safely(ctx, order)
	}
	report := func(err error, pause time.Duration) {
		slog.WarnContext(ctx, "order not done yet", "order", order.ID, "try", tries,
			"reason", err, "next_try_in", pause.Round(time.Millisecond))
	}
	_, err := backoff.Retry(ctx, once,
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval:     50 * time.Millisecond,
			MaxInterval:         time.Second,
			Multiplier:          2,
			RandomizationFactor: 0.5,
		}),
		backoff.WithMaxTries(uint(s.settings.Attempts)),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(report))
	if err != nil {
		return fmt.Errorf("failed %d times: %w", tries, err)
	}
	return nil
}

// safely turns a handler's panic into an error. One bad order must not take the
// others in this process with it; it is tried again and given up like any that
// fails, and its stack is in the log at level debug.
func (s *Subscriber) safely(ctx context.Context, order shop.Order) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.DebugContext(ctx, "the handler panicked", "order", order.ID,
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return s.handle(ctx, order)
}
