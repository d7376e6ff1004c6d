package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// connectTimeout bounds everything up to the declared topology. A broker
	// that is starting up, or frozen, takes the connection and then says nothing.
	connectTimeout = 10 * time.Second
	// answerTimeout bounds one question on a connection that is there.
	answerTimeout = 5 * time.Second
	closeTimeout  = 2 * time.Second
)

// session is one connection to the broker and the one channel on it. When either
// dies both are of no more use, and the next session starts from nothing:
// dialled, declared and consumed anew.
type session struct {
	tcp     net.Conn
	conn    *amqp.Connection
	channel *amqp.Channel
	closed  chan *amqp.Error
}

// connect opens a session and declares the topology on it. The name is what the
// management page shows for the connection.
func connect(
	ctx context.Context, settings Settings, name string, t topology,
) (*session, error) {
	uri, err := amqp.ParseURI(settings.URL)
	if err != nil {
		return nil, withoutPassword(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout,
		fmt.Errorf("no answer within %s", connectTimeout))
	defer cancel()

	var dialer net.Dialer
	at := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
	tcp, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, explain(err, uri)
	}
	// amqp091-go has no contexts, and leaves the socket of a failed handshake
	// open: closing it is what ends a call that the broker does not answer.
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	defer stop()

	s, err := handshake(tcp, settings, name)
	if err == nil {
		err = t.declare(s.channel)
	}
	if err != nil {
		if late := context.Cause(ctx); late != nil {
			err = late
		}
		return nil, errors.Join(explain(err, uri), ignoreClosed(tcp.Close()))
	}
	return s, nil
}

func handshake(tcp net.Conn, settings Settings, name string) (*session, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(settings.URL, amqp.Config{
		Heartbeat:  settings.Heartbeat,
		Properties: properties,
		Dial: func(string, string) (net.Conn, error) {
			return newSocket(tcp), nil
		},
	})
	if err != nil {
		return nil, err
	}
	channel, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	return &session{tcp: tcp, conn: conn, channel: channel, closed: closed}, nil
}

// explain adds to an error of [connect] what a reader can do about it. It names
// the user, never the password.
func explain(err error, uri amqp.URI) error {
	at := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
	refused := new(amqp.Error)
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		return fmt.Errorf("the broker at %s refuses user %q with this password: "+
			"check AMQP_URL: %w", at, uri.Username, err)
	case errors.As(err, &refused) && refused.Code == amqp.NotAllowed:
		return fmt.Errorf("the broker at %s has no vhost %q for user %q: "+
			"check the end of AMQP_URL: %w", at, uri.Vhost, uri.Username, err)
	case errors.As(err, &refused) && refused.Server:
		return err // it speaks for itself, see mismatch
	default:
		return fmt.Errorf("no RabbitMQ answers at %s (AMQP_URL): %w", at, innermost(err))
	}
}

// innermost leaves out what the message has said already: where it dialled to.
func innermost(err error) error {
	if op := new(net.OpError); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// dead reports whether anything delivered on this session belongs to another
// consumer by now.
func (s *session) dead() bool { return s.channel.IsClosed() || s.conn.IsClosed() }

// cause is why the session died, or nil while it lives. One caller only.
func (s *session) cause() error {
	select {
	case err, open := <-s.closed:
		if !open {
			return errors.New("the connection to the broker was closed")
		}
		return fmt.Errorf("the connection to the broker was lost: %w", err)
	default:
		return nil
	}
}

// close ends the session in order, whatever state it is in, in bounded time.
// Deliveries without an acknowledgement are back in the queue afterwards.
//
// CloseDeadline alone is not enough. Under an alarm the broker reads nothing and
// answers nothing, but it sends heartbeats, and with each of them the library sets
// the deadline anew.
func (s *session) close() error {
	defer time.AfterFunc(closeTimeout, func() { _ = s.tcp.Close() }).Stop()
	return ignoreClosed(s.conn.CloseDeadline(time.Now().Add(closeTimeout)))
}

// closeUnlessIn closes the session if the answer that the caller waits for has not
// come in time. The caller says with the function it returns that it has.
func (s *session) closeUnlessIn(limit time.Duration) (answered func() bool) {
	return time.AfterFunc(limit, func() {
		slog.Warn("the broker does not answer: closing the connection", "after", limit)
		_ = s.close()
	}).Stop
}

func ignoreClosed(err error) error {
	if errors.Is(err, amqp.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
