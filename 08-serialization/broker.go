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

// The queues of this step. Step 07 says why they are quorum queues and what the
// delivery limit is for.
const (
	Queue     = "orders.placed"
	DeadQueue = "orders.placed.dead"
)

const (
	heartbeat      = 5 * time.Second
	connectTimeout = 5 * time.Second
	confirmTimeout = 5 * time.Second
	closeTimeout   = 2 * time.Second
	maxPause       = 2 * time.Second
)

// session is one connection and the one channel on it, in confirm mode. When
// either dies, a new session is made from nothing.
type session struct {
	conn    *amqp.Connection
	channel *amqp.Channel
}

func connect(ctx context.Context, address, name string) (*session, error) {
	var tcp net.Conn
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(address, amqp.Config{
		Heartbeat: heartbeat, Properties: properties,
		Dial: func(network, at string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: connectTimeout}
			var err error
			if tcp, err = dialer.DialContext(ctx, network, at); err != nil {
				return nil, err
			}
			// For the handshake: a broker that is frozen says nothing. The
			// library lifts it when the connection is open.
			return tcp, tcp.SetDeadline(time.Now().Add(connectTimeout))
		},
	})
	if err != nil {
		if tcp != nil {
			err = errors.Join(err, ignoreClosed(tcp.Close()))
		}
		return nil, fmt.Errorf("no RabbitMQ takes the connection (AMQP_URL): %w",
			withoutPassword(err))
	}
	s := &session{conn: conn}
	defer s.closeWith(ctx)()
	if s.channel, err = conn.Channel(); err == nil {
		err = s.declare()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// declare creates what is missing. Both sides do it: whoever comes first finds a
// broker without queues.
func (s *session) declare() error {
	for _, q := range []struct {
		name string
		args amqp.Table
	}{
		{DeadQueue, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}},
		{Queue, amqp.Table{
			amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
			"x-delivery-limit":          20,
			"x-dead-letter-exchange":    amqp.DefaultExchange,
			"x-dead-letter-routing-key": DeadQueue,
			"x-dead-letter-strategy":    "at-least-once",
			amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish,
		}},
	} {
		_, err := s.channel.QueueDeclare(q.name, true, false, false, false, q.args)
		if err != nil {
			return mismatch(q.name, err)
		}
	}
	if err := s.channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
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

// Why a message is not safe. With errUnconfirmed it may be in the queue or not, with
// errRefused (basic.nack) it is not.
var (
	errUnconfirmed = errors.New("outcome unknown: the broker did not confirm")
	errRefused     = errors.New("the broker refused the message")
)

// put publishes and waits for the confirm. It is safe for concurrent use, and
// many may wait at a time.
func (s *session) put(ctx context.Context, queue string, m amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	confirm, err := s.channel.PublishWithDeferredConfirmWithContext(
		ctx, amqp.DefaultExchange, queue, false, false, m)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	ok, err := confirm.WaitContext(ctx)
	switch {
	case ok:
		return nil
	case err == nil && !s.channel.IsClosed(): // a connection that dies answers false, too
		return errRefused
	default:
		return errors.Join(errUnconfirmed, err)
	}
}

func (s *session) close() error {
	return ignoreClosed(s.conn.CloseDeadline(time.Now().Add(closeTimeout)))
}

// closeWith closes the session if ctx ends before the caller has said, with the
// function it returns, that it has its answer. A queue that has lost its leader
// does not answer, and a program that is asked to end must not wait for it.
func (s *session) closeWith(ctx context.Context) (answered func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.close() })
}

func ignoreClosed(err error) error {
	if errors.Is(err, amqp.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// keepConnected makes one session after the other until ctx ends, with growing
// pauses between them (step 07, reconnect.go).
func keepConnected(
	ctx context.Context, address, name string, use func(context.Context, *session) error,
) error {
	once := func() (struct{}, error) {
		s, err := connect(ctx, address, name)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, errors.Join(use(ctx, s), s.close())
	}
	for ctx.Err() == nil {
		_, err := backoff.Retry(ctx, once,
			backoff.WithBackOff(&backoff.ExponentialBackOff{
				InitialInterval: 100 * time.Millisecond, MaxInterval: maxPause,
				Multiplier: 2, RandomizationFactor: 0.5,
			}),
			backoff.WithMaxElapsedTime(0),
			backoff.WithNotify(func(err error, pause time.Duration) {
				slog.WarnContext(ctx, "not connected", "connection", name, "reason", err,
					"next_try_in", pause.Round(time.Millisecond))
			}))
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// withoutPassword strips the address from the error of a parser that quotes it.
func withoutPassword(err error) error {
	if quoting := new(url.Error); errors.As(err, &quoting) {
		return quoting.Err
	}
	return err
}
