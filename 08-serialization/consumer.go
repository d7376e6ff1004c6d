package serialization

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
)

const (
	consumerTag = "orders"
	attempts    = 3
	remembered  = 10_000
)

// Handler is the effect of an order on the world. A nil error says that it has
// happened.
type Handler func(ctx context.Context, event OrderPlaced) error

// Consumer reads events from the queue and hands them to a [Handler], one at a
// time, each at least once. What it cannot read it moves to the dead-letter
// queue, with the reason.
type Consumer struct {
	settings Settings
	reader   Reader
	handle   Handler
	dead     *sender // to the dead-letter queue
	done     memory
}

// NewConsumer returns a consumer that is not connected yet.
func NewConsumer(settings Settings, handle Handler) (*Consumer, error) {
	reader, err := settings.reader()
	if err != nil {
		return nil, err
	}
	return &Consumer{settings: settings, reader: reader, handle: handle,
		dead: newSender(settings.URL, "consumer: dead letters"),
		done: memory{seen: map[int64]bool{}}}, nil
}

// Run consumes until ctx ends, finishes the order in work, and returns nil. What
// else the broker has pushed goes back to it.
func (c *Consumer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// The order in work may still become a dead letter.
	needed, done := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return c.dead.run(needed) })
	group.Go(func() error {
		defer done()
		return keepConnected(ctx, "consumer", func(ctx context.Context) error {
			on, err := connect(ctx, c.settings.URL, "consumer")
			if err != nil {
				return err
			}
			return errors.Join(c.consume(ctx, on), on.close())
		})
	})
	return group.Wait()
}

func (c *Consumer) consume(ctx context.Context, s *session) error {
	// Take nothing that cannot be finished: without a way to the dead letters a bad
	// message would only be put back.
	if err := c.dead.untilConnected(ctx); err != nil {
		return fmt.Errorf("no way to the dead letters: %w", err)
	}
	died := s.channel.NotifyClose(make(chan *amqp.Error, 1))
	deliveries, err := c.subscribe(ctx, s)
	if err != nil {
		return err
	}
	var reads []string
	for _, codec := range c.reader.Codecs {
		reads = append(reads, codec.ContentType())
	}
	shop.Ready(ctx, slog.Any("reads", reads), slog.Int("version", c.reader.Version))
	stop := context.AfterFunc(ctx, func() {
		// The wait for the broker's last answer is bounded, too.
		defer s.closeUnless(context.WithoutCancel(ctx))()
		if err := ignoreClosed(s.channel.Cancel(consumerTag, false)); err != nil {
			slog.Warn("cannot cancel the consumer", "reason", err)
		}
	})
	defer stop()
	for d := range deliveries {
		if ctx.Err() != nil || s.channel.IsClosed() {
			continue // the broker gives it to another consumer
		}
		c.deliver(context.WithoutCancel(ctx), d)
	}
	if ctx.Err() != nil {
		return nil
	}
	select {
	case err := <-died:
		return lost(err)
	default:
		return errors.New("the broker cancelled the consumer: was the queue deleted?")
	}
}

func (c *Consumer) subscribe(ctx context.Context, s *session) (<-chan amqp.Delivery, error) {
	defer s.closeUnless(ctx)()
	if err := s.channel.Qos(c.settings.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	deliveries, err := s.channel.Consume(Queue, consumerTag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", Queue, err)
	}
	return deliveries, nil
}

// deliver answers for one delivery: done, done before, or given up.
func (c *Consumer) deliver(ctx context.Context, d amqp.Delivery) {
	event, err := c.reader.Read(d)
	if err == nil {
		shop.Received(ctx, event.OrderID, attemptOf(d))
		err = c.try(ctx, event)
	}
	if err != nil {
		c.deadLetter(ctx, d, err)
		return
	}
	ack(ctx, d)
}

func (c *Consumer) try(ctx context.Context, event OrderPlaced) error {
	if c.done.seen[event.OrderNumber] {
		shop.Skipped(ctx, event.OrderID, "this consumer has done this order number",
			slog.Int64("number", event.OrderNumber))
		return nil
	}
	once := func() (struct{}, error) { return struct{}{}, c.handle(ctx, event) }
	_, err := backoff.Retry(ctx, once, backoff.WithMaxTries(attempts),
		backoff.WithBackOff(backoff.NewConstantBackOff(100*time.Millisecond)),
		backoff.WithMaxElapsedTime(0))
	if err != nil {
		return fmt.Errorf("failed %d times: %w", attempts, err)
	}
	c.done.add(event.OrderNumber)
	return nil
}

// memory is the order numbers that this consumer has done last. At least once
// means that one may come twice, and a number is quicker to compare than an
// order. It helps one process only; step 05's key helps all.
type memory struct {
	seen  map[int64]bool
	order []int64
}

func (m *memory) add(number int64) {
	if len(m.order) == remembered {
		delete(m.seen, m.order[0])
		m.order = m.order[1:]
	}
	m.seen[number] = true
	m.order = append(m.order, number)
}
