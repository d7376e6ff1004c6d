package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
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

	state   sync.Mutex
	problem error // why nothing can be published, nil if it can
}

func newBus(s Settings, queue string, bindings map[string][]Kind) *bus {
	return &bus{settings: s, queue: queue, bindings: bindings, problem: errNotConnected}
}

// run keeps the program connected and hands it its messages until ctx ends. Then
// it finishes what is in progress.
func (b *bus) run(ctx context.Context, c *consumer) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, longestSilence
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		began := time.Now()
		err := b.session(ctx, c)
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
			slog.WarnContext(ctx, "not connected to the broker", "reason", cut(err.Error()),
				"next_try_in", pause.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// link is a connection, and what it stands on.
type link struct {
	*amqp.Connection
	tcp net.Conn
}

func (b *bus) dial(name string) (*link, *amqp.Channel, error) {
	l := new(link)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	var err error
	l.Connection, err = amqp.DialConfig(b.settings.AMQPURL, amqp.Config{
		Heartbeat: busHeartbeat, Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			tcp, err := amqp.DefaultDial(busTimeout)(network, addr)
			l.tcp = boundedConn{tcp}
			return l.tcp, err
		},
	})
	if err != nil {
		if uri := new(url.Error); errors.As(err, &uri) {
			err = uri.Err // without the password
		}
		return nil, nil, fmt.Errorf("no RabbitMQ at AMQP_URL: %w", err)
	}
	channel, err := l.Channel()
	if err != nil {
		return nil, nil, errors.Join(err, closeBroker(l))
	}
	return l, channel, nil
}

// boundedConn gives up on a write that the broker does not take. Otherwise a
// broker that has stopped reading would hold the publisher, and its drain, forever.
type boundedConn struct{ net.Conn }

func (c boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(busTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// session is the life of two connections: a broker that is low on memory stops
// reading from connections that publish, and acknowledgements, which free memory,
// must not be stuck behind messages.
func (b *bus) session(ctx context.Context, c *consumer) (err error) {
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
	deliveries, err := b.subscribe(ctx, consuming, in, c.prefetch())
	if err != nil {
		return err
	}
	b.set(out)
	defer b.set(nil)
	living, end := context.WithCancel(ctx)
	defer end()
	var watching sync.WaitGroup
	watching.Go(func() {
		b.watch(living, publishing, out, in)
		end()
		// The broker's last answer is not waited for without end either.
		defer time.AfterFunc(busTimeout, func() { _ = closeBroker(consuming) }).Stop()
		if err := in.Cancel(b.queue, false); err != nil && !errors.Is(err, amqp.ErrClosed) {
			slog.Warn("cannot cancel the consumer", "reason", err)
		}
	})
	shop.Ready(ctx, slog.String("queue", b.queue), slog.String("variant", b.settings.Variant))
	c.consume(living, deliveries)
	if ctx.Err() != nil && b.last != nil {
		b.last(ctx)
	}
	end()
	watching.Wait()
	return nil
}

// watch follows what the broker says of the connection that publishes, until ctx
// or one of the channels ends.
func (b *bus) watch(ctx context.Context, publishing *link, out, in *amqp.Channel) {
	alarms := publishing.NotifyBlocked(make(chan amqp.Blocking, 1))
	lost := out.NotifyClose(make(chan *amqp.Error, 1))
	gone := in.NotifyClose(make(chan *amqp.Error, 1))
	for {
		select {
		case alarm, open := <-alarms:
			if !open {
				return
			}
			b.alarm(alarm)
		case <-lost:
			return
		case <-gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (b *bus) alarm(alarm amqp.Blocking) {
	b.state.Lock()
	defer b.state.Unlock()
	if b.problem = nil; alarm.Active {
		b.problem = fmt.Errorf("%w: %s", errBlocked, alarm.Reason)
	}
	slog.Warn("alarm of the broker", "active", alarm.Active, "reason", alarm.Reason)
}

// ready returns why nothing can be published now, or nil.
func (b *bus) ready() error {
	b.state.Lock()
	defer b.state.Unlock()
	return b.problem
}

// closeBroker ends in a second, come what may. CloseDeadline alone does not: under an
// alarm the broker reads nothing and answers nothing, but it sends heartbeats, and
// with each of them the library sets the deadline anew.
func closeBroker(l *link) error {
	defer time.AfterFunc(time.Second, func() { _ = l.tcp.Close() }).Stop()
	err := l.CloseDeadline(time.Now().Add(time.Second))
	if errors.Is(err, amqp.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// deliveryLimit is the net below everything else: a message that ends its consumer
// each time it is delivered becomes a dead letter at last. It is high because the
// broker counts what was only prefetched, too.
const deliveryLimit = 100

// Declare makes the exchange and all queues of the orchestration, as every program of this step
// does when it starts.
func Declare(ch *amqp.Channel) error { return (&bus{bindings: orchestration}).declare(ch) }

// declare makes all queues, not only the program's own: whoever is up first may
// publish, and a message for a service that was never started must wait for it.
func (b *bus) declare(ch *amqp.Channel) error {
	err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("declare the exchange %s: %w", exchange, err)
	}
	if err := queueDeclare(ch, deadLetters, nil); err != nil {
		return err
	}
	for queue, kinds := range b.bindings {
		if err := queueDeclare(ch, queue, amqp.Table{
			amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
			"x-delivery-limit":          deliveryLimit,
			"x-dead-letter-exchange":    "",
			"x-dead-letter-routing-key": deadLetters,
		}); err != nil {
			return err
		}
		for _, kind := range kinds {
			if err := ch.QueueBind(queue, string(kind), exchange, false, nil); err != nil {
				return fmt.Errorf("bind %s to %s: %w", queue, kind, err)
			}
		}
	}
	return nil
}

func queueDeclare(ch *amqp.Channel, queue string, args amqp.Table) error {
	_, err := ch.QueueDeclare(queue, true, false, false, false, args)
	if refused := new(amqp.Error); errors.As(err, &refused) &&
		refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("the queue %s is there with other properties, from another version "+
			"of this step: delete it, or use another vhost: %w", queue, err)
	}
	if err != nil {
		return fmt.Errorf("declare the queue %s: %w", queue, err)
	}
	return nil
}

func (b *bus) set(ch *amqp.Channel) {
	b.mu.Lock()
	if b.channel = ch; ch != nil {
		b.returns = ch.NotifyReturn(make(chan amqp.Return, 3*relayBatch))
	}
	b.mu.Unlock()
	b.state.Lock()
	defer b.state.Unlock()
	if b.problem = nil; ch == nil {
		b.problem = errNotConnected
	}
}

var (
	errNotConnected = errors.New("not connected to the broker")
	errBlocked      = errors.New("the broker takes no messages")
	errUnroutable   = errors.New("no queue wants a message")
)

// publish returns nil once the broker has confirmed every message, and an error
// if there is one that it has not, or that no queue wanted.
func (b *bus) publish(ctx context.Context, messages []Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settings.Echo {
		messages = b.echo(messages)
	}
	out := make([]amqp.Publishing, len(messages))
	for i, m := range messages {
		body := m.body
		if body == nil {
			var err error
			if body, err = json.Marshal(m); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		}
		out[i] = amqp.Publishing{
			MessageId: shortString(m.ID), Type: string(m.Kind), ContentType: "application/json",
			DeliveryMode: amqp.Persistent, Body: body,
		}
	}
	return b.confirmed(ctx, exchange, func(p amqp.Publishing) string { return p.Type }, out)
}

// confirmed writes all messages before any is confirmed: one way there and back
// for all of them. The caller holds the lock.
func (b *bus) confirmed(
	ctx context.Context, exchange string, key func(amqp.Publishing) string, out []amqp.Publishing,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, busTimeout,
		fmt.Errorf("outcome unknown: no confirm within %s", busTimeout))
	defer cancel()
	if b.channel == nil {
		return errNotConnected
	}
	if err := b.ready(); err != nil {
		return err
	}
	b.returned() // of an earlier batch, whose confirms were not waited for
	confirms := make([]*amqp.DeferredConfirmation, len(out))
	for i, p := range out {
		var err error
		confirms[i], err = b.channel.PublishWithDeferredConfirm(exchange, key(p), true, false, p)
		if err != nil {
			return fmt.Errorf("publish %s: %w", p.Type, err)
		}
	}
	for _, c := range confirms {
		ok, err := c.WaitContext(ctx)
		if err != nil {
			return fmt.Errorf("wait for the broker's confirm: %w", context.Cause(ctx))
		}
		if !ok {
			return errors.New("the broker did not take a message (basic.nack)")
		}
	}
	return b.returned()
}

// returned says whether there was a message that no queue wants: for it the broker
// first sends basic.return, and then confirms it all the same.
func (b *bus) returned() (err error) {
	for {
		select {
		case r, open := <-b.returns:
			if !open {
				return err
			}
			err = fmt.Errorf("%w: %s", errUnroutable, r.RoutingKey)
		default:
			return err
		}
	}
}

// echo is a network at its worst: every message comes three times, in any order,
// and once of them late, among those that follow it.
func (b *bus) echo(messages []Message) []Message {
	all := slices.Concat(messages, messages, b.late)
	b.late = slices.Clone(messages)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// shortString is what fits into a property of AMQP: 255 bytes.
func shortString(s string) string { return s[max(0, len(s)-255):] }

// HeaderReason is why a dead letter is one, in a sentence.
const HeaderReason = "x-reason"

// setAside moves a message out of the way of the others, to where people can look
// at it, with the reason. If that cannot be done the broker moves it, without one:
// this way cannot fail again and again.
func (b *bus) setAside(ctx context.Context, d amqp.Delivery, reason error) {
	slog.ErrorContext(ctx, "message set aside", "queue", deadLetters, "message", d.MessageId,
		"reason", cut(reason.Error()))
	b.mu.Lock()
	err := b.confirmed(context.WithoutCancel(ctx), "",
		func(amqp.Publishing) string { return deadLetters },
		[]amqp.Publishing{{
			Headers:   amqp.Table{HeaderReason: cut(reason.Error())},
			MessageId: d.MessageId, Type: d.Type, ContentType: d.ContentType,
			DeliveryMode: amqp.Persistent, Body: d.Body,
		}})
	b.mu.Unlock()
	if err == nil {
		err = d.Ack(false)
	} else {
		err = d.Reject(false)
	}
	if err != nil {
		slog.WarnContext(ctx, "it will come again", "message", d.MessageId, "reason", err)
	}
}

// subscribe declares the queues and asks for the messages of the program's own. A
// queue that has lost its leader does not answer, while its connection lives on: a
// program that is asked to end does not wait for it.
func (b *bus) subscribe(
	ctx context.Context, conn *link, in *amqp.Channel, prefetch int,
) (<-chan amqp.Delivery, error) {
	answered := context.AfterFunc(ctx, func() { _ = closeBroker(conn) })
	defer answered()
	defer time.AfterFunc(2*busTimeout, func() { _ = closeBroker(conn) }).Stop()
	if err := b.declare(in); err != nil {
		return nil, err
	}
	if err := in.Qos(prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	deliveries, err := in.Consume(b.queue, b.queue, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", b.queue, err)
	}
	return deliveries, nil
}
