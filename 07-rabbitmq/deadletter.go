package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Headers that a dead letter has beside its own.
const (
	HeaderReason     = "x-reason"     // why, in a sentence
	HeaderDeliveries = "x-deliveries" // how often it was delivered
)

// putBackPause keeps a message that cannot even be dead-lettered from going
// round in a circle at full speed.
const putBackPause = time.Second

// deadLetter moves the message out of the way of the others, to where a person
// can look at it. It is published with a confirm before the original is
// acknowledged: a consumer that dies between the two leaves it in both queues,
// never in neither.
//
// The broker could do this (basic.reject without requeue), but it would not say
// why.
func (s *Subscriber) deadLetter(
	ctx context.Context, d amqp.Delivery, order shop.Order, reason error,
) {
	letter := copyOf(d)
	letter.Headers[HeaderReason] = shop.Reason(reason)
	letter.Headers[HeaderDeliveries] = int64(attemptOf(d))
	if !s.move(ctx, d, DeadLetterExchange, "", letter) {
		return
	}
	if order.ID != "" {
		shop.Failed(ctx, order.ID, reason.Error())
		return
	}
	slog.ErrorContext(ctx, "a message without a readable order was dead-lettered",
		"message", d.MessageId, "reason", reason)
}

// move publishes the copy, and then acknowledges the original. It says whether that
// was done. What cannot be moved is put back, but not forever: the copy of a
// stranger's message may be what the broker cannot take.
func (s *Subscriber) move(
	ctx context.Context, d amqp.Delivery, exchange, key string, copied amqp.Publishing,
) bool {
	err := s.dead.publish(ctx, exchange, key, copied)
	if err == nil {
		s.ack(ctx, d)
		return true
	}
	if attemptOf(d) > 2*maxDeliveries && s.dead.Ready(ctx) == nil {
		slog.ErrorContext(ctx, "cannot move a message: the broker moves it, without a reason",
			"message", d.MessageId, "reason", err)
		if err := d.Reject(false); err != nil {
			slog.WarnContext(ctx, "cannot reject a message: it will come again",
				"message", d.MessageId, "reason", err)
			return false
		}
		return true
	}
	slog.WarnContext(ctx, "cannot move a message: putting it back",
		"message", d.MessageId, "reason", err)
	s.putBack(ctx, d)
	return false
}

// suspect moves a message to the queue in which each consumer has one at a time.
func (s *Subscriber) suspect(ctx context.Context, d amqp.Delivery) {
	slog.WarnContext(ctx, "a message came back too often: it is tried alone",
		"message", d.MessageId, "deliveries", attemptOf(d)-1)
	s.move(ctx, d, amqp.DefaultExchange, s.topology.suspectsQueue(), copyOf(d))
}

// maxHeaders is how many bytes of a stranger's headers go along. All headers of a
// message have to fit into one frame, of 128 KiB by default, together with ours: a
// frame that is larger makes the broker close the connection.
const maxHeaders = 32 << 10

// ofTheQueue are headers that stay behind. The first two count in the queue that the
// message leaves; for the others the broker would send copies to further queues
// (rabbitmq.com/docs/sender-selected).
var ofTheQueue = []string{"x-delivery-count", "x-acquired-count", "CC", "BCC"}

// copyOf is the message as it can be published again. Two properties stay behind,
// too: an expiry would make it vanish, and the broker refuses a user id other than
// that of the connection.
func copyOf(d amqp.Delivery) amqp.Publishing {
	headers, room := amqp.Table{}, maxHeaders
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		// As text, a value is longer than in a frame, but for binary numbers.
		size := len(name) + len(fmt.Sprint(d.Headers[name])) + 16
		if slices.Contains(ofTheQueue, name) || size > room {
			continue
		}
		room -= size
		headers[name] = d.Headers[name]
	}
	return amqp.Publishing{
		Headers:         headers,
		ContentType:     d.ContentType,
		ContentEncoding: d.ContentEncoding,
		DeliveryMode:    amqp.Persistent,
		Priority:        d.Priority,
		CorrelationId:   d.CorrelationId,
		ReplyTo:         d.ReplyTo,
		MessageId:       d.MessageId,
		Timestamp:       d.Timestamp,
		Type:            d.Type,
		AppId:           d.AppId,
		Body:            d.Body,
	}
}

// putBack uses basic.reject rather than basic.nack: RabbitMQ 4.3 counts the
// former, so that the delivery limit of the queue ends even this circle.
func (s *Subscriber) putBack(ctx context.Context, d amqp.Delivery) {
	<-time.After(putBackPause)
	if err := d.Reject(true); err != nil {
		slog.WarnContext(ctx, "cannot put a message back: it will come again by itself",
			"message", d.MessageId, "reason", err)
	}
}
