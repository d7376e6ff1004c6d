package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
)

// Handler is the effect of an order on the world. A nil error says that it has
// happened. The context does not end when the consumer is asked to stop: an
// order in progress is finished.
type Handler func(ctx context.Context, order shop.Order) error

// consumerTag names the consumer on its channel. There is only one on it.
const consumerTag = "orders"

// Subscriber takes orders out of the queue and hands them to a [Handler], each
// at least once. Several subscribers on one queue compete for its orders: to
// add a consumer is to start one.
type Subscriber struct {
	settings Settings
	topology topology
	handle   Handler
	dead     *Publisher // to the dead-letter exchange

	// What the wrong variants change.
	prefetch int
	autoAck  bool
	giveUp   func(ctx context.Context, d amqp.Delivery, order shop.Order, reason error)
}

// NewSubscriber returns a subscriber that is not connected yet.
func NewSubscriber(settings Settings, handle Handler) *Subscriber {
	return newSubscriber(settings, quorumOrders, handle)
}

func newSubscriber(settings Settings, t topology, handle Handler) *Subscriber {
	s := &Subscriber{
		settings: settings,
		topology: t,
		handle:   handle,
		// A connection of its own: the broker stops reading from a connection
		// that publishes when it is low on memory, and the acknowledgements,
		// which would free memory, would be stuck behind the messages.
		dead:     newPublisher("consumer: dead letters", settings),
		prefetch: settings.Prefetch,
	}
	s.giveUp = s.deadLetter
	if change := variants[settings.Variant].subscriber; change != nil {
		change(s)
	}
	return s
}

// Run consumes until ctx ends, over as many connections as it takes. Then it
// drains: the orders in work are finished and acknowledged, the others that the
// broker has pushed are given back, and Run returns nil.
func (s *Subscriber) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// An order in progress may still become a dead letter while the rest drains.
	needed, done := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return s.dead.Run(needed) })
	group.Go(func() error {
		defer done()
		return keepConnected(ctx, "consumer", s.session)
	})
	return group.Wait()
}

// session consumes on one connection. Its deliveries end in three cases: the
// connection died, the broker cancelled the consumer because the queue is gone,
// or we cancelled it because ctx ended.
func (s *Subscriber) session(ctx context.Context) error {
	conn, err := connect(ctx, s.settings, "consumer", s.topology)
	if err != nil {
		return err
	}
	err = s.consume(ctx, conn)
	if err == nil && ctx.Err() == nil {
		err = conn.cause()
		if err == nil {
			err = errors.New("the broker cancelled the consumer: was the queue deleted?")
		}
	}
	return errors.Join(err, conn.close())
}

func (s *Subscriber) consume(ctx context.Context, conn *session) error {
	// Take nothing that cannot be finished: without a way to the dead letters a bad
	// message would only be put back.
	if err := s.dead.untilConnected(ctx); err != nil {
		return fmt.Errorf("no way to the dead letters: %w", err)
	}
	deliveries, err := s.subscribe(ctx, conn, conn.channel, s.topology.queue, s.prefetch)
	if err != nil {
		return err
	}
	alone, err := conn.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel for the suspects: %w", err)
	}
	suspects, err := s.subscribe(ctx, conn, alone, s.topology.suspectsQueue(), 1)
	if err != nil {
		return err
	}
	shop.Ready(ctx, slog.String("queue", s.topology.queue),
		slog.Int("prefetch", s.prefetch), slog.Int("workers", s.settings.Workers))

	stop := context.AfterFunc(ctx, func() {
		defer conn.closeUnlessIn(answerTimeout)()
		for _, channel := range []*amqp.Channel{conn.channel, alone} {
			if err := ignoreClosed(channel.Cancel(consumerTag, false)); err != nil {
				slog.Warn("cannot cancel the consumer", "reason", err)
			}
		}
	})
	defer stop()
	var workers sync.WaitGroup
	for range s.settings.Workers {
		workers.Go(func() { s.work(ctx, conn, deliveries, s.deliver) })
	}
	workers.Go(func() { s.work(ctx, conn, suspects, s.deliverSuspect) })
	workers.Wait()
	return nil
}

// subscribe asks the broker to push. A queue that has lost its leader does not
// answer, and meanwhile the connection is as alive as any: so the question ends
// with ctx, or after [answerTimeout], by closing what it was asked on.
func (s *Subscriber) subscribe(
	ctx context.Context, conn *session, channel *amqp.Channel, queue string, prefetch int,
) (<-chan amqp.Delivery, error) {
	defer conn.closeUnlessIn(answerTimeout)()
	stop := context.AfterFunc(ctx, func() { _ = conn.close() })
	defer stop()
	// Prefetch: the broker pushes this many orders ahead of their
	// acknowledgements. It hides the network's round trip, and it is how much
	// one consumer can keep from the others (rabbitmq.com/docs/consumer-prefetch).
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set the prefetch to %d: %w", prefetch, err)
	}
	deliveries, err := channel.Consume(
		queue, consumerTag, s.autoAck, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", queue, err)
	}
	return deliveries, nil
}

// work is one worker. It leaves alone what is not its own any more: of a
// connection that died, the broker has already given the rest to others; and a
// consumer that drains gives the rest back by closing the connection.
func (s *Subscriber) work(
	ctx context.Context, conn *session, deliveries <-chan amqp.Delivery,
	deliver func(context.Context, amqp.Delivery),
) {
	for d := range deliveries {
		if ctx.Err() != nil || conn.dead() {
			continue
		}
		deliver(context.WithoutCancel(ctx), d)
	}
	if ctx.Err() == nil {
		_ = conn.close() // one subscription that ends takes the other one along
	}
}

// deliver answers for one delivery: done, given up, or to be tried alone.
func (s *Subscriber) deliver(ctx context.Context, d amqp.Delivery) {
	order, err := decode(d)
	if err == nil && attemptOf(d) > maxDeliveries {
		s.suspect(ctx, d)
		return
	}
	s.finish(ctx, d, order, err)
}

// deliverSuspect is deliver for a message that was given to this consumer alone.
func (s *Subscriber) deliverSuspect(ctx context.Context, d amqp.Delivery) {
	order, err := decode(d)
	if attempt := attemptOf(d); err == nil && attempt > maxBeginnings {
		err = fmt.Errorf("begun %d times without an answer: it may be what kills its consumers",
			attempt-1)
	}
	s.finish(ctx, d, order, err)
}

func (s *Subscriber) finish(
	ctx context.Context, d amqp.Delivery, order shop.Order, err error,
) {
	if err == nil {
		shop.Received(ctx, order.ID, attemptOf(d))
		err = s.try(ctx, order)
	}
	if err != nil {
		s.giveUp(ctx, d, order, err)
		return
	}
	s.ack(ctx, d)
}

// ack comes after the effect. The other way round, a consumer that dies between
// the two has lost the order. This way round it is done twice: the choice is
// between at most once and at least once, and a shop wants the latter.
func (s *Subscriber) ack(ctx context.Context, d amqp.Delivery) {
	if s.autoAck {
		return
	}
	if err := d.Ack(false); err != nil {
		slog.WarnContext(ctx, "acknowledgement lost: the order will come again",
			"message", d.MessageId, "reason", err)
	}
}
