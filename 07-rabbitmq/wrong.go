package rabbitmq

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	publisher  func(*Publisher)
	subscriber func(*Subscriber)
}

var variants = map[string]variant{
	"":                   {},
	"right":              {},
	"auto-ack":           {subscriber: autoAck},
	"no-confirms":        {publisher: noConfirms},
	"prefetch-unlimited": {subscriber: prefetchUnlimited},
	"shared-queue":       {subscriber: sharedQueue}, // of the part fanout
	"requeue-forever":    {publisher: toClassicQueue, subscriber: requeueForever},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// autoAck lets the broker take a message for done as soon as it is written to
// the socket. It saves an acknowledgement per order, and a prefetch limits what
// is not acknowledged: nothing is, so the broker pushes the whole queue into the
// memory of the first consumer.
//
// What goes wrong: kill that consumer, and all of it is gone. Experiment: a
// burst, then kill -9 a consumer.
func autoAck(s *Subscriber) { s.autoAck = true }

// noConfirms accepts an order as soon as it is written to the socket. From there
// it passes through two kernels and a broker that has not written it to disk.
//
// What goes wrong: kill the broker, and accepted orders are gone, with nobody to
// tell. Neither does anyone learn of an order that no queue wanted. Experiment:
// a burst, then kill -9 the broker.
func noConfirms(p *Publisher) { p.confirms = false }

// prefetchUnlimited takes the limit away from what the broker pushes ahead: 0
// means none (for a quorum queue, 2000).
//
// What goes wrong: the first consumer hoards what is there, and a second one
// that is started to help gets nothing. Experiment: a burst, then add a consumer.
func prefetchUnlimited(s *Subscriber) { s.prefetch = 0 }

// requeueForever puts what fails back into the queue, at once and each time. It
// looks careful: nothing is ever thrown away.
//
// What goes wrong: the message is back at the head of the queue in the same
// instant. A handful of them keep consumers and broker busy at full speed with
// nothing, and starve the good orders behind them. Experiment: poison.
//
// It needs a classic queue to do so forever: the delivery limit of a quorum
// queue would end it.
func requeueForever(s *Subscriber) {
	s.topology = classicOrders
	s.settings.Attempts = 1
	s.giveUp = func(
		ctx context.Context, d amqp.Delivery, _ shop.Order, reason error,
	) {
		slog.WarnContext(ctx, "putting a message back", "message", d.MessageId,
			"reason", reason)
		if err := d.Nack(false, true); err != nil {
			slog.WarnContext(ctx, "cannot put a message back", "reason", err)
		}
	}
}

// sharedQueue gives all receivers of the fan-out the same queue. They compete for the orders
// as consumers of one kind do.
//
// What goes wrong: each order gets to one of them. A third of the customers gets an
// e-mail, another third the parcel. Experiment: shared-queue-calm of the part fanout.
func sharedQueue(s *Subscriber) { s.topology = receiver("everybody") }

func toClassicQueue(p *Publisher) { p.topology = classicOrders }

// classicOrders has a name of its own: a queue cannot change its type.
var classicOrders = topology{
	queue: "orders.classic",
	args:  amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeClassic},
}
