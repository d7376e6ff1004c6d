package rabbitmq

import (
	"context"
	"log/slog"
	"maps"
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
	err := s.dead.publish(ctx, DeadLetterExchange, "", obituary(d, reason))
	if err != nil {
		slog.WarnContext(ctx, "cannot dead-letter a message: putting it back",
			"message", d.MessageId, "why_dead", reason, "reason", err)
		s.putBack(ctx, d)
		return
	}
	s.ack(ctx, d)
	if order.ID != "" {
		shop.Failed(ctx, order.ID, reason.Error())
		return
	}
	slog.ErrorContext(ctx, "a message without a readable order was dead-lettered",
		"message", d.MessageId, "reason", reason)
}

// obituary is a copy of the message that says why it died. Two properties stay
// behind: an expiry would make the dead letter vanish, and the broker refuses a
// user id other than that of the connection.
func obituary(d amqp.Delivery, reason error) amqp.Publishing {
	headers := amqp.Table{}
	maps.Copy(headers, d.Headers)
	delete(headers, "x-delivery-count") // these count in the queue it leaves
	delete(headers, "x-acquired-count")
	headers[HeaderReason] = reason.Error()
	headers[HeaderDeliveries] = int64(attemptOf(d))
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
