package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// prefetch is how many messages the broker pushes ahead of their acknowledgements, if that is
	// enough for the workers. It is more than step 07's: most of them are done, and wait for the
	// confirm of the event that follows.
	prefetch = 30
	// putBackPause keeps a message that cannot be finished from going round in a circle at full
	// speed, and maxRounds from going round forever.
	putBackPause = time.Second
	maxRounds    = 20
)

// Subscriber is Watermill's [message.Subscriber]. What Watermill's own lacks: several messages in
// work on one channel, an end in bounded time, and a message that nobody can finish neither comes
// back at once nor without end.
type Subscriber struct {
	settings Settings
	// settle tells the broker what became of a message; [NewRouter] draws a span around it.
	settle func(m *message.Message, how string, tell func() error) error
	out    *Publisher // of what follows, and into the poison queue

	ctx     context.Context // ends when nothing more is taken
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	consuming int // subscriptions that are served now
}

func newSubscriber(s Settings, out *Publisher) *Subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	return &Subscriber{settings: s, out: out, ctx: ctx, stop: cancel,
		settle: func(_ *message.Message, _ string, tell func() error) error { return tell() }}
}

// Subscribe hands the topic's messages out until ctx ends or the subscriber is closed, over as
// many connections as it takes. It implements [message.Subscriber].
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, fmt.Errorf("subscribe to %s: the subscriber is closed: %w", topic, err)
	}
	out := make(chan *message.Message)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	s.running.Go(func() {
		defer cancel()
		defer stop()
		defer close(out)
		_ = keepConnected(ctx, "subscriber", func(ctx context.Context) error { // it ends with ctx
			on, err := connect(ctx, s.settings, "consume")
			if err != nil {
				return err
			}
			return errors.Join(s.consume(ctx, on, topic, out), on.close())
		})
	})
	return out, nil
}

// Close takes nothing more. What is in progress is still settled: see [Broker.Close].
func (s *Subscriber) Close() error {
	s.stop()
	return nil
}

// end waits for what is in progress, for a second: the router has waited before.
func (s *Subscriber) end() error {
	s.stop()
	ended := make(chan struct{})
	go func() { defer close(ended); s.running.Wait() }()
	select {
	case <-ended:
		return nil
	case <-time.After(2 * closeTimeout):
		return errors.New("messages are still in progress: they go to another consumer")
	}
}

// ready returns why no messages come, or nil.
func (s *Subscriber) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.consuming == 0 {
		return errors.New("not consuming")
	}
	return nil
}

func (s *Subscriber) count(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consuming += more
}

const consumerTag = "watermill"

// consume hands out the messages of one session.
func (s *Subscriber) consume(
	ctx context.Context, on *session, topic string, out chan<- *message.Message,
) error {
	// Take nothing that cannot be finished.
	if err := s.out.untilConnected(ctx); err != nil {
		return err
	}
	died := on.channel.NotifyClose(make(chan *amqp.Error, 1))
	deliveries, err := s.subscribe(ctx, on, topic)
	if err != nil {
		return err
	}
	s.count(1)
	defer s.count(-1)
	shop.Ready(ctx, slog.String("queue", topic), slog.Int("workers", s.settings.Workers))
	stop := context.AfterFunc(ctx, func() {
		defer on.closeUnless(context.Background())()
		if err := ignoreClosed(on.channel.Cancel(consumerTag, false)); err != nil {
			slog.Warn("cannot cancel the consumer", "reason", err)
		}
	})
	defer stop()
	hands := make(chan struct{}, s.settings.Workers)
	var inProgress sync.WaitGroup
	for d := range deliveries {
		select {
		case hands <- struct{}{}:
		case <-ctx.Done():
		}
		free := sync.OnceFunc(func() {
			select {
			case <-hands:
			default: // the end came before there was one
			}
		})
		if ctx.Err() != nil || on.channel.IsClosed() {
			free() // it is somebody else's by now
			continue
		}
		m := unmarshal(d)
		m.SetContext(withDelivery(ctx, &delivery{tag: d.DeliveryTag, free: free}))
		select {
		case out <- m:
			inProgress.Go(func() { defer free(); s.await(ctx, m, d) })
		case <-ctx.Done():
			free()
		}
	}
	inProgress.Wait()
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

func (s *Subscriber) subscribe(
	ctx context.Context, on *session, topic string,
) (<-chan amqp.Delivery, error) {
	defer on.closeUnless(ctx)()
	if err := on.channel.Qos(max(prefetch, 2*s.settings.Workers), 0, false); err != nil {
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	deliveries, err := on.channel.Consume(topic, consumerTag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", topic, err)
	}
	return deliveries, nil
}

// await tells the broker what the router says of a message.
func (s *Subscriber) await(ctx context.Context, m *message.Message, d amqp.Delivery) {
	var err error
	select {
	case <-m.Acked():
		err = s.settle(m, "ack", func() error { return d.Ack(false) })
	case <-m.Nacked():
		// Reject and not nack: RabbitMQ 4.3 counts the former, so that the delivery limit of
		// the queue ends even a circle.
		// While nothing can be published, no round is the message's fault.
		again := roundsOf(d) < maxRounds || s.out.ready() != nil || ctx.Err() != nil
		if again {
			select {
			case <-time.After(putBackPause):
			case <-ctx.Done():
			}
		}
		err = s.settle(m, "reject", func() error { return d.Reject(again) })
	}
	if err != nil {
		slog.WarnContext(ctx, "the broker was not told: the message will come again",
			"message", m.UUID, "reason", err)
	}
}

// roundsOf is how often the message has come back, as far as RabbitMQ 3 (the first header) or 4
// (the second) can tell. On a first delivery the broker sets neither: what is there then was
// written by a stranger.
func roundsOf(d amqp.Delivery) int64 {
	if !d.Redelivered {
		return 0
	}
	returns, _ := d.Headers["x-delivery-count"].(int64)
	lost, _ := d.Headers["x-acquired-count"].(int64)
	return max(returns, lost)
}
