package serialization

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// HeaderReason is the header of a dead letter that says why it is one.
const HeaderReason = "x-reason"

const (
	// putBackPause keeps a message that cannot even be dead-lettered from going round
	// in a circle at full speed.
	putBackPause = time.Second
	// maxMoves is how often it may go round while there is a way to the dead letters.
	maxMoves = 20
	// maxHeaders is how many bytes of a stranger's headers go along. All headers of a
	// message must fit into one frame, of 128 KiB by default: a frame that is larger
	// makes the broker close the connection.
	maxHeaders = 32 << 10
)

// deadLetter publishes the message as it came, byte for byte, with the reason in
// a header, and acknowledges it after the confirm. The order's name is the
// message id, beside the bytes: they may be what cannot be read.
func (c *Consumer) deadLetter(ctx context.Context, d amqp.Delivery, reason error) {
	err := c.dead.put(ctx, DeadQueue, letter(d, reason))
	if err != nil {
		c.cannotMove(ctx, d, err)
		return
	}
	ack(ctx, d)
	if id, err := shop.ParseID(d.MessageId); err == nil {
		shop.Failed(ctx, id.String(), reason.Error())
		return
	}
	slog.ErrorContext(ctx, "a message without an order's name was dead-lettered",
		"message", d.MessageId, "reason", reason)
}

// cannotMove puts a message back, but not forever: it may be what the broker cannot
// take as a dead letter. Then the broker moves it, without a reason.
func (c *Consumer) cannotMove(ctx context.Context, d amqp.Delivery, reason error) {
	log := slog.With("message", d.MessageId, "reason", reason)
	if attemptOf(d) > maxMoves && c.dead.ready() == nil {
		log.ErrorContext(ctx, "cannot dead-letter a message: the broker moves it")
		reject(ctx, d, false)
		return
	}
	log.WarnContext(ctx, "cannot dead-letter a message: putting it back")
	// The others are not held up meanwhile. A consumer that ends gives it back at once.
	time.AfterFunc(putBackPause, func() { reject(ctx, d, true) })
}

// letter is the message as it can be published again. Its expiry and its user id stay
// behind: the one would make it vanish, the broker may refuse the other. Of its
// headers stay those that count in the queue that it leaves, and those for which the
// broker would send copies elsewhere (rabbitmq.com/docs/sender-selected).
func letter(d amqp.Delivery, reason error) amqp.Publishing {
	ofTheQueue := []string{"x-delivery-count", "x-acquired-count", "CC", "BCC"}
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
	headers[HeaderReason] = shop.Reason(reason)
	return amqp.Publishing{
		Headers: headers, Type: d.Type, MessageId: d.MessageId, AppId: d.AppId,
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Priority: d.Priority,
		Timestamp: d.Timestamp, DeliveryMode: amqp.Persistent, Body: d.Body,
	}
}

func ack(ctx context.Context, d amqp.Delivery) {
	if err := d.Ack(false); err != nil {
		slog.WarnContext(ctx, "acknowledgement lost: the order will come again",
			"message", d.MessageId, "reason", err)
	}
}

// reject and not nack: RabbitMQ 4.3 counts the former, so that the delivery limit of
// the queue ends even a circle.
func reject(ctx context.Context, d amqp.Delivery, requeue bool) {
	if err := d.Reject(requeue); err != nil && !errors.Is(err, amqp.ErrClosed) {
		slog.WarnContext(ctx, "cannot reject a message: it will come again",
			"message", d.MessageId, "reason", err)
	}
}

// attemptOf is how often the message has been delivered, as far as RabbitMQ 3
// (the first header) or 4 (the second) can tell. On a first delivery the broker sets
// neither: what is there then was written by a stranger.
func attemptOf(d amqp.Delivery) int {
	if !d.Redelivered {
		return 1
	}
	returns, _ := whole(d.Headers["x-delivery-count"])
	lost, _ := whole(d.Headers["x-acquired-count"])
	return 1 + int(max(returns, lost))
}
