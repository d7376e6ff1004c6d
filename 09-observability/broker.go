package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues. To Watermill they are topics.
const (
	OrdersTopic  = "orders"
	EmailedTopic = "orders.emailed" // the follow-up event
	PoisonTopic  = "orders.poison"
)

// deliveryLimit is the net below everything else: a message that ends its consumer each time it
// is delivered goes to the poison queue at last. It is high because the broker counts what was
// only prefetched, too.
const deliveryLimit = 100

// WorkQueue are the arguments with which the queues with work in them are declared. Everybody who
// declares one needs the same.
var WorkQueue = amqp.Table{
	amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
	"x-delivery-limit":          deliveryLimit,
	"x-dead-letter-exchange":    amqp.DefaultExchange,
	"x-dead-letter-routing-key": PoisonTopic,
	"x-dead-letter-strategy":    "at-least-once",
	amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish,
}

const (
	connectTimeout = 5 * time.Second
	answerTimeout  = 5 * time.Second // of one question on a connection that is there
	depthTimeout   = 2 * time.Second // of a figure that nobody needs to wait for
	confirmTimeout = 5 * time.Second
	refusedFor     = 5 * time.Second // then another channel is tried
	writeTimeout   = 3 * time.Second
	closeTimeout   = time.Second
)

// Broker is RabbitMQ behind Watermill's two interfaces. They have a connection each: a broker
// that is low on memory or disk stops reading from connections that publish, and the
// acknowledgements, which free memory, would be stuck behind the messages. Its methods are safe
// for concurrent use.
type Broker struct {
	publisher  *Publisher
	subscriber *Subscriber

	mu     sync.Mutex
	asking *session // for questions, nil while there are none
}

// Connect begins to connect, and goes on until [Broker.Close]: that the broker comes up after the
// application is nothing unusual. Meanwhile [Broker.Ready] says what is missing.
func Connect(s Settings) *Broker {
	p := newPublisher(s)
	return &Broker{publisher: p, subscriber: newSubscriber(s, p)}
}

// Ready returns why nothing can be published now, or nil.
func (b *Broker) Ready(context.Context) error { return b.publisher.ready() }

// Depth asks the broker how many messages wait in a queue. It takes [depthTimeout] at the most,
// and a second more where the connection must be closed.
func (b *Broker) Depth(queue string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), depthTimeout)
	defer cancel()
	if b.asking == nil || b.asking.channel.IsClosed() {
		on, err := connect(ctx, b.publisher.settings, "questions")
		if err != nil {
			return 0, err
		}
		b.asking = on
	}
	defer b.asking.closeUnless(ctx)()
	state, err := b.asking.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("ask for the depth of %s: %w", queue, err),
			b.asking.close())
	}
	return state.Messages, nil
}

// Close ends the subscriptions, once what is in progress is settled, then the connections.
func (b *Broker) Close() error {
	err := errors.Join(b.subscriber.end(), b.publisher.end())
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asking != nil {
		err = errors.Join(err, b.asking.close())
	}
	return err
}

// session is one connection and the one channel on it. When either dies, a new session is made
// from nothing.
type session struct {
	tcp     net.Conn
	conn    *amqp.Connection
	channel *amqp.Channel
}

// connect opens a session and declares the queues, in bounded time: a broker that is starting up,
// or frozen, takes the connection and then says nothing.
func connect(ctx context.Context, settings Settings, name string) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout,
		fmt.Errorf("no answer within %s", connectTimeout))
	defer cancel()
	s := new(session)
	stop := func() bool { return true }
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(settings.Process + ": " + name)
	var err error
	s.conn, err = amqp.DialConfig(settings.URL, amqp.Config{
		Heartbeat: settings.Heartbeat, Properties: properties,
		Dial: func(network, at string) (net.Conn, error) {
			tcp, err := new(net.Dialer).DialContext(ctx, network, at)
			if err != nil {
				return nil, err
			}
			// amqp091-go has no contexts: to close the socket is what ends a call that the
			// broker does not answer.
			stop = context.AfterFunc(ctx, func() { _ = tcp.Close() })
			s.tcp = newSocket(tcp)
			return s.tcp, nil
		},
	})
	defer func() { stop() }()
	if err == nil {
		s.channel, err = s.conn.Channel()
	}
	if err == nil {
		err = declare(s.channel)
	}
	if err == nil {
		return s, nil
	}
	if late := context.Cause(ctx); late != nil {
		err = late
	}
	if s.tcp != nil { // the library leaves it open when the handshake fails
		err = errors.Join(err, ignoreClosed(s.tcp.Close()))
	}
	return nil, explain(err)
}

// declare creates what is missing, before the first order. Whoever comes first finds a broker
// without queues.
func declare(channel *amqp.Channel) error {
	for _, q := range []struct {
		topic string
		args  amqp.Table
	}{
		{PoisonTopic, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}},
		{OrdersTopic, WorkQueue},
		{EmailedTopic, WorkQueue},
	} {
		_, err := channel.QueueDeclare(q.topic, true, false, false, false, q.args)
		if err != nil {
			return mismatch(q.topic, err)
		}
	}
	return nil
}

// explain adds to an error of [connect] what a reader can do about it.
func explain(err error) error {
	refused := new(amqp.Error)
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		return fmt.Errorf("the broker refuses the user or password: check AMQP_URL: %w", err)
	case errors.As(err, &refused) && refused.Code == amqp.NotAllowed:
		return fmt.Errorf(
			"the broker has no such vhost for this user: check the end of AMQP_URL: %w", err)
	case errors.As(err, &refused) && refused.Server:
		return err // it speaks for itself
	default:
		return fmt.Errorf("no RabbitMQ answers (AMQP_URL): %w", withoutPassword(err))
	}
}

// mismatch says what to do about a queue of the same name that was made by somebody else.
func mismatch(topic string, err error) error {
	refused := new(amqp.Error)
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("the broker has another queue named %q, made by another step or "+
			"program: delete it on the management page (its messages go with it), or use "+
			"another vhost in AMQP_URL: %w", topic, err)
	}
	return fmt.Errorf("declare %s: %w", topic, err)
}

// lost is why a session died, once its channel says so.
func lost(err *amqp.Error) error {
	if err == nil { // it was closed in order
		return fmt.Errorf("the connection was lost: %w", amqp.ErrClosed)
	}
	return fmt.Errorf("the connection was lost: %w", err)
}

// close ends the session in a second, come what may. CloseDeadline alone does not: under an alarm
// the broker reads nothing and answers nothing, but it sends heartbeats, and with each of them
// the library sets the deadline anew.
func (s *session) close() error {
	defer time.AfterFunc(closeTimeout, func() { _ = s.tcp.Close() }).Stop()
	return ignoreClosed(s.conn.CloseDeadline(time.Now().Add(closeTimeout)))
}

// closeUnless closes the session if ctx ends, or [answerTimeout] is over, before the caller has
// said, with the function it returns, that it has its answer. A queue that has lost its leader
// does not answer, and meanwhile the connection is as alive as any.
func (s *session) closeUnless(ctx context.Context) (answered func()) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	stop := context.AfterFunc(ctx, func() { _ = s.close() })
	return func() { stop(); cancel() }
}

func ignoreClosed(err error) error {
	if errors.Is(err, amqp.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// keepConnected runs one session after the other until ctx ends, with growing pauses between them
// (step 07, reconnect.go). Only one that lived makes them short again.
func keepConnected(ctx context.Context, name string, session func(context.Context) error) error {
	const steady = 5 * time.Second
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second,
		Multiplier: 2, RandomizationFactor: 0.5,
	}
	once := func() (struct{}, error) {
		began := time.Now()
		err := session(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("the session ended by itself")
		}
		if time.Since(began) > steady {
			pauses.Reset()
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, once, backoff.WithBackOff(pauses),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) {
			slog.WarnContext(ctx, "not connected", "connection", name, "reason", err,
				"next_try_in", pause.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// withoutPassword strips the address from the error of a parser that quotes it.
func withoutPassword(err error) error {
	if quoting := new(url.Error); errors.As(err, &quoting) {
		return quoting.Err
	}
	return err
}

// frameworkLog lets Watermill's lines through to where ours go. What it calls news is detail
// here.
func frameworkLog() watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(slog.Default(),
		map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug, slog.LevelError: slog.LevelWarn})
}
