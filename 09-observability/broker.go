package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues. To Watermill they are topics; with [wmamqp.NewDurableQueueConfig] each is a queue
// of the same name, for which consumers compete.
const (
	OrdersTopic  = "orders"
	EmailedTopic = "orders.emailed" // the follow-up event
	PoisonTopic  = "orders.poison"
)

// prefetch is how many messages the broker pushes to one worker ahead of its work.
const prefetch = 10

// Broker is RabbitMQ behind Watermill's interfaces. Its methods are safe for concurrent use.
type Broker struct {
	conn       *wmamqp.ConnectionWrapper
	publisher  *wmamqp.Publisher
	subscriber *wmamqp.Subscriber
}

// brokerConfig says what Watermill must be told for nothing to be lost. Its defaults do not say
// it.
func brokerConfig(s Settings) wmamqp.Config {
	config := wmamqp.NewDurableQueueConfig(s.URL)
	// Publish returns nil only once the broker has the message on disk. Without this line it
	// returns when the bytes are written to the socket.
	config.Publish.ConfirmDelivery = true
	// A channel for each message, not a pool of them: the pool loses a channel for good when it
	// cannot be opened again at once, and once all are lost every Publish waits for ever.
	config.Publish.ChannelPoolSize = 0
	config.Queue.Arguments = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	config.Consume.Qos.PrefetchCount = prefetch
	config.Marshaler = marshaler{wmamqp.DefaultMarshaler{PostprocessPublishing: withType}}
	config.Connection.AmqpConfig = &amqp.Config{Heartbeat: s.Heartbeat, Locale: "en_US"}
	config.Connection.Reconnect = &wmamqp.ReconnectConfig{
		BackoffInitialInterval: 100 * time.Millisecond, BackoffMultiplier: 2,
		BackoffRandomizationFactor: 0.5, BackoffMaxInterval: 2 * time.Second,
	}
	return config
}

func withType(p amqp.Publishing) amqp.Publishing {
	p.ContentType = "application/json"
	return p
}

// Connect connects and declares the queues. It tries again until ctx ends: that the broker
// comes up after the application is nothing unusual.
//
// The queues are declared before the first order. With the default exchange a message that no
// queue wants is confirmed and dropped, and Watermill's publisher does not ask to be told.
func Connect(ctx context.Context, s Settings) (*Broker, error) {
	config, logger := brokerConfig(s), frameworkLog()
	conn, err := backoff.Retry(ctx, func() (*wmamqp.ConnectionWrapper, error) {
		conn, err := wmamqp.NewConnection(config.Connection, logger)
		return conn, hopeless(err)
	}, backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, in time.Duration) {
		slog.Warn("the broker does not answer yet", "reason", err.Error(), "again_in", in)
	}))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// One connection for both directions: a consumer that gets messages and cannot publish the
	// follow-up would do each of them again and again.
	publisher, err := wmamqp.NewPublisherWithConnection(config, logger, conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the publisher: %w", err), conn.Close())
	}
	subscriber, err := wmamqp.NewSubscriberWithConnection(config, logger, conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the subscriber: %w", err), conn.Close())
	}
	b := &Broker{conn, publisher, subscriber}
	for _, topic := range []string{OrdersTopic, EmailedTopic, PoisonTopic} {
		if err := subscriber.SubscribeInitialize(topic); err != nil {
			return nil, errors.Join(mismatch(topic, err), b.Close())
		}
	}
	return b, nil
}

// hopeless makes an error that no second try mends one that is not tried again.
func hopeless(err error) error {
	refused := new(amqp.Error)
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Code == amqp.AccessRefused:
		return backoff.Permanent(fmt.Errorf(
			"the broker refuses the user or password: check AMQP_URL: %w", err))
	case refused.Code == amqp.NotAllowed:
		return backoff.Permanent(fmt.Errorf(
			"the broker has no such vhost for this user: check the end of AMQP_URL: %w", err))
	default:
		return err
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

// Ready returns why nothing can be published now, or nil.
func (b *Broker) Ready(context.Context) error {
	if !b.conn.IsConnected() {
		return errors.New("not connected to the broker")
	}
	return nil
}

// Depth asks the broker how many messages wait in a queue.
func (b *Broker) Depth(queue string) (depth int, err error) {
	if !b.conn.IsConnected() {
		return 0, errors.New("not connected to the broker")
	}
	channel, err := b.conn.Connection().Channel()
	if err != nil {
		return 0, fmt.Errorf("ask for the depth of %s: %w", queue, err)
	}
	defer func() { err = errors.Join(err, channel.Close()) }()
	state, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	return state.Messages, err
}

// Close ends the subscriptions, then the connection.
func (b *Broker) Close() error {
	return errors.Join(b.subscriber.Close(), b.publisher.Close(), b.conn.Close())
}

// marshaler is Watermill's, without two surprises.
type marshaler struct{ wmamqp.DefaultMarshaler }

// Unmarshal takes headers that are no text, such as x-delivery-count, which a quorum queue adds
// to what it delivers again. Watermill's own refuses such a message, puts it back, and gets it
// again, for ever. And it refuses the empty delivery that a lost connection leaves behind.
func (m marshaler) Unmarshal(d amqp.Delivery) (*message.Message, error) {
	if d.Acknowledger == nil {
		return nil, errors.New("the connection was lost")
	}
	headers := make(amqp.Table, len(d.Headers)+1)
	for key, value := range d.Headers {
		headers[key] = fmt.Sprint(value)
	}
	d.Headers = headers
	return m.DefaultMarshaler.Unmarshal(d)
}

// draining lets a worker finish the message in its hand. Watermill's router closes its
// subscribers first of all, and this one then puts the message back that its handler is still
// working on: each SIGTERM would do an order twice. The router ends its context besides, on
// which the subscriber stops between two messages; that is all it takes.
type draining struct{ message.Subscriber }

// Close leaves it to [Broker.Close], which comes when the router has drained.
func (draining) Close() error { return nil }

// frameworkLog lets Watermill's lines through to where ours go. What it calls news is detail
// here.
func frameworkLog() watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(slog.Default(),
		map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug, slog.LevelError: slog.LevelWarn})
}
