package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/shop"
)

const (
	exchange       = "shop"
	deadLetters    = "saga.dead"
	busTimeout     = 5 * time.Second
	busHeartbeat   = 5 * time.Second
	longestSilence = 2 * time.Second // between two attempts to connect
)

// bus is a program's place at the broker: one queue that it consumes, and one
// exchange that everybody publishes to. Step 07 explains every line of it; here
// it is as short as it can be.
type bus struct {
	settings Settings
	queue    string
	bindings map[string][]Kind // of every queue

	// last is called when the program ends and its messages are finished, with
	// the connections still there. It may be nil.
	last func(context.Context)

	mu      sync.Mutex // one batch at a time
	channel *amqp.Channel
	returns chan amqp.Return
	late    []Message // for echo
}

func newBus(s Settings, queue string, bindings map[string][]Kind) *bus {
	return &bus{settings: s, queue: queue, bindings: bindings}
}

// run keeps the program connected and hands it its messages until ctx ends. Then
// it finishes what is in hand.
func (b *bus) run(ctx context.Context, handle func(context.Context, Message) error) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, longestSilence
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		began := time.Now()
		err := b.session(ctx, handle)
		if ctx.Err() != nil {
			return struct{}{}, nil
		}
		if time.Since(began) > busTimeout {
			pauses.Reset()
		}
		if err == nil {
			err = errors.New("the session ended by itself")
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) {
			slog.WarnContext(ctx, "not connected to the broker", "reason", err,
				"next_try_in", pause.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (b *bus) dial(name string) (*amqp.Connection, *amqp.Channel, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(b.settings.AMQPURL, amqp.Config{
		Heartbeat: busHeartbeat, Properties: properties, Dial: amqp.DefaultDial(busTimeout),
	})
	if err != nil {
		if uri := new(url.Error); errors.As(err, &uri) {
			err = uri.Err // without the password
		}
		return nil, nil, fmt.Errorf("no RabbitMQ at AMQP_URL: %w", err)
	}
	channel, err := conn.Channel()
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, channel, nil
}

// session is the life of two connections: a broker that is low on memory stops
// reading from connections that publish, and acknowledgements must not be stuck
// behind messages.
func (b *bus) session(
	ctx context.Context, handle func(context.Context, Message) error,
) (err error) {
	publishing, out, err := b.dial(b.queue + ": publish")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBroker(publishing)) }()
	consuming, in, err := b.dial(b.queue + ": consume")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBroker(consuming)) }()
	if err := out.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	incoming, err := b.subscribe(ctx, consuming, in)
	if err != nil {
		return err
	}
	b.set(out)
	defer b.set(nil)
	err = b.consume(ctx, incoming, out, handle)
	if ctx.Err() != nil && b.last != nil {
		b.last(ctx)
	}
	return err
}

func closeBroker(c *amqp.Connection) error {
	err := c.CloseDeadline(time.Now().Add(time.Second))
	if errors.Is(err, amqp.ErrClosed) {
		return nil
	}
	return err
}

// declare makes all queues, not only the program's own: whoever is up first may
// publish, and a message for a service that was never started must wait for it.
func (b *bus) declare(ch *amqp.Channel) error {
	err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("declare the exchange %s: %w", exchange, err)
	}
	args := amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": deadLetters,
	}
	if _, err := ch.QueueDeclare(deadLetters, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare the queue %s: %w", deadLetters, err)
	}
	for queue, kinds := range b.bindings {
		if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
			return fmt.Errorf("declare the queue %s: %w", queue, err)
		}
		for _, kind := range kinds {
			if err := ch.QueueBind(queue, string(kind), exchange, false, nil); err != nil {
				return fmt.Errorf("bind %s to %s: %w", queue, kind, err)
			}
		}
	}
	return nil
}

func (b *bus) set(ch *amqp.Channel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.channel = ch; ch != nil {
		b.returns = ch.NotifyReturn(make(chan amqp.Return, 3*relayBatch))
	}
}

var errNotConnected = errors.New("not connected to the broker")

// publish returns nil once the broker has confirmed every message, and an error
// if there is one that it has not, or that no queue wanted.
func (b *bus) publish(ctx context.Context, messages []Message) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	confirms, err := b.send(messages)
	if err != nil {
		return err
	}
	for _, c := range confirms {
		ok, err := c.WaitContext(ctx)
		if err != nil {
			return fmt.Errorf("wait for the broker's confirm: %w", err)
		}
		if !ok {
			return errors.New("the broker did not take a message (basic.nack)")
		}
	}
	// For what no queue wants the broker first sends basic.return, and then
	// confirms it all the same.
	select {
	case r, open := <-b.returns:
		if open {
			return fmt.Errorf("no queue wants %s", r.RoutingKey)
		}
	default:
	}
	return nil
}

// shout publishes and does not listen for an answer.
func (b *bus) shout(_ context.Context, messages []Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.send(messages)
	return err
}

// send writes all messages before any is confirmed: one way there and back for
// all of them.
func (b *bus) send(messages []Message) ([]*amqp.DeferredConfirmation, error) {
	if b.channel == nil {
		return nil, errNotConnected
	}
	if b.settings.Echo {
		messages = b.echo(messages)
	}
	confirms := make([]*amqp.DeferredConfirmation, len(messages))
	for i, m := range messages {
		body, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("publish: %w", err)
		}
		confirms[i], err = b.channel.PublishWithDeferredConfirm(
			exchange, string(m.Kind), true, false, amqp.Publishing{
				MessageId: m.ID, Type: string(m.Kind), ContentType: "application/json",
				DeliveryMode: amqp.Persistent, Body: body,
			})
		if err != nil {
			return nil, fmt.Errorf("publish %s: %w", m.Kind, err)
		}
	}
	return confirms, nil
}

// echo is a network at its worst: every message comes three times, in any order,
// and once of them late, among those that follow it.
func (b *bus) echo(messages []Message) []Message {
	all := slices.Concat(messages, messages, b.late)
	b.late = slices.Clone(messages)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// subscription is what the program consumes, and on what.
type subscription struct {
	conn       *amqp.Connection
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
}

// subscribe declares the queues and asks for the messages of the program's own. A
// queue that has lost its leader does not answer, while its connection lives on: a
// program that is asked to end does not wait for it.
func (b *bus) subscribe(
	ctx context.Context, conn *amqp.Connection, in *amqp.Channel,
) (s subscription, err error) {
	answered := context.AfterFunc(ctx, func() { _ = closeBroker(conn) })
	defer answered()
	if err := b.declare(in); err != nil {
		return s, err
	}
	if err := in.Qos(2*b.settings.Workers, 0, false); err != nil {
		return s, fmt.Errorf("set the prefetch: %w", err)
	}
	deliveries, err := in.Consume(b.queue, b.queue, false, false, false, false, nil)
	if err != nil {
		return s, fmt.Errorf("consume from %s: %w", b.queue, err)
	}
	return subscription{conn, in, deliveries}, nil
}

// consume hands messages to a few workers, each of which acknowledges after the
// commit.
func (b *bus) consume(
	ctx context.Context, in subscription, out *amqp.Channel,
	handle func(context.Context, Message) error,
) error {
	shop.Ready(ctx, slog.String("queue", b.queue), slog.String("variant", b.settings.Variant))
	living, end := context.WithCancel(ctx)
	defer end()
	lost := out.NotifyClose(make(chan *amqp.Error, 1))
	gone := in.channel.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		select {
		case <-lost:
		case <-gone:
		case <-living.Done():
		}
		end()
		// The broker's last answer is not waited for without end either.
		defer time.AfterFunc(busTimeout, func() { _ = closeBroker(in.conn) }).Stop()
		err := in.channel.Cancel(b.queue, false)
		if err != nil && !errors.Is(err, amqp.ErrClosed) {
			slog.Warn("cannot cancel the consumer", "reason", err)
		}
	}()
	var workers sync.WaitGroup
	for range b.settings.Workers {
		workers.Go(func() {
			for d := range in.deliveries {
				if living.Err() == nil { // else it is delivered again, to whoever is there
					b.deliver(living, d, handle)
				}
			}
		})
	}
	workers.Wait()
	return nil
}

func (b *bus) deliver(
	ctx context.Context, d amqp.Delivery, handle func(context.Context, Message) error,
) {
	m, err := decode(d.Body)
	if err != nil {
		slog.Error("message put aside", "queue", deadLetters, "reason", err)
		if err := d.Reject(false); err != nil {
			slog.Warn("it will come again", "message", d.MessageId, "reason", err)
		}
		return
	}
	err = patiently(ctx, string(m.Kind), func(ctx context.Context) error {
		return handle(ctx, m)
	})
	if err == nil {
		err = d.Ack(false)
	}
	if err != nil && ctx.Err() == nil {
		slog.Warn("it will come again", "message", m.ID, "reason", err)
	}
}
