package serialization

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues of this step. Step 07 says why they are quorum queues.
const (
	Queue     = "orders.placed"
	DeadQueue = "orders.placed.dead"
)

// deliveryLimit is the net below everything else: a message that ends its consumer
// each time it is delivered becomes a dead letter at last. It is high because the
// broker counts what was only prefetched, too.
const deliveryLimit = 100

const (
	heartbeat      = 5 * time.Second
	connectTimeout = 5 * time.Second
	answerTimeout  = 5 * time.Second // of one question on a connection that is there
	confirmTimeout = 5 * time.Second
	refusedFor     = 5 * time.Second // then another channel is tried
	writeTimeout   = 3 * time.Second
	closeTimeout   = time.Second
	maxPause       = 2 * time.Second
)

// session is one connection and the one channel on it. When either dies, a new
// session is made from nothing.
type session struct {
	tcp     net.Conn
	conn    *amqp.Connection
	channel *amqp.Channel
}

// connect opens a session and declares the queues, in bounded time: a broker that is
// starting up, or frozen, takes the connection and then says nothing.
func connect(ctx context.Context, address, name string) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout,
		fmt.Errorf("no answer within %s", connectTimeout))
	defer cancel()
	s := new(session)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	stop := func() bool { return true }
	var err error
	s.conn, err = amqp.DialConfig(address, amqp.Config{
		Heartbeat: heartbeat, Properties: properties,
		Dial: func(network, at string) (net.Conn, error) {
			tcp, err := new(net.Dialer).DialContext(ctx, network, at)
			if err != nil {
				return nil, err
			}
			s.tcp = boundedConn{tcp}
			// amqp091-go has no contexts: to close the socket is what ends a call that the
			// broker does not answer.
			stop = context.AfterFunc(ctx, func() { _ = tcp.Close() })
			return s.tcp, nil
		},
	})
	defer func() { stop() }()
	if err == nil {
		s.channel, err = s.conn.Channel()
	}
	if err == nil {
		err = Declare(s.channel)
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
	return nil, fmt.Errorf("no RabbitMQ for us (AMQP_URL): %w", withoutPassword(err))
}

// boundedConn gives up on a write that the broker does not take. Otherwise a broker
// that has stopped reading would block the program forever, while it holds the lock
// that amqp091-go needs to close the connection.
type boundedConn struct{ net.Conn }

func (c boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Declare creates the queues of this step if they are missing. Both sides do it: whoever
// comes first finds a broker without queues.
func Declare(channel *amqp.Channel) error {
	for _, q := range []struct {
		name string
		args amqp.Table
	}{
		{DeadQueue, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}},
		{Queue, amqp.Table{
			amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
			"x-delivery-limit":          deliveryLimit,
			"x-dead-letter-exchange":    amqp.DefaultExchange,
			"x-dead-letter-routing-key": DeadQueue,
			"x-dead-letter-strategy":    "at-least-once",
			amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish,
		}},
	} {
		_, err := channel.QueueDeclare(q.name, true, false, false, false, q.args)
		if err != nil {
			return mismatch(q.name, err)
		}
	}
	return nil
}

// mismatch says what to do about a queue of the same name with other properties.
func mismatch(queue string, err error) error {
	refused := new(amqp.Error)
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("the broker has another queue named %q: delete it on the management "+
			"page (its messages go with it), or use another vhost in AMQP_URL: %w", queue, err)
	}
	return fmt.Errorf("declare queue %q: %w", queue, err)
}

// lost is why the session died, once its channel says so.
func lost(err *amqp.Error) error {
	if err == nil { // it was closed in order
		return fmt.Errorf("the connection was lost: %w", amqp.ErrClosed)
	}
	return fmt.Errorf("the connection was lost: %w", err)
}

// close ends the session within a second, whatever the broker does. CloseDeadline alone
// does not: under an alarm the broker reads nothing and answers nothing, but it sends
// heartbeats, and with each of them the library sets the deadline anew.
func (s *session) close() error {
	defer time.AfterFunc(closeTimeout, func() { _ = s.tcp.Close() }).Stop()
	return ignoreClosed(s.conn.CloseDeadline(time.Now().Add(closeTimeout)))
}

// closeUnless closes the session if ctx ends, or [answerTimeout] is over, before the
// caller has said, with the function it returns, that it has its answer. A queue that
// has lost its leader does not answer, and meanwhile the connection is as alive as any.
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

// keepConnected runs one session after the other until ctx ends, with growing pauses
// between them (step 07, reconnect.go). Only one that lived makes them short again.
func keepConnected(
	ctx context.Context, name string, session func(context.Context) error,
) error {
	const steady = 5 * time.Second
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, MaxInterval: maxPause,
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
