package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Why an order was not accepted. Each comes wrapped in [shop.Unavailable]: the
// customer may try again.
var (
	// ErrUnconfirmed: the order was sent, and no answer came. It may be in the
	// queue or not. Saying so is all an honest publisher can do.
	ErrUnconfirmed = errors.New("outcome unknown: the broker did not confirm the order")
	// ErrUnroutable: there is no queue for it. The broker has thrown it away.
	ErrUnroutable = errors.New("the broker has no queue for the order")
	// ErrRefused: the broker could not keep it (basic.nack).
	ErrRefused = errors.New("the broker refused the order")
	// ErrBlocked: the broker is low on memory or disk and takes no messages.
	ErrBlocked = errors.New("the broker takes no messages now")
)

const (
	// publishTimeout bounds Publish. A confirm takes a millisecond or two: after
	// this long it is not coming, and a customer has waited long enough.
	publishTimeout = 5 * time.Second
	retryAfter     = time.Second
)

// Publisher puts orders into the queue. It accepts an order only after the
// broker's confirm, which says that a majority of the queue's members has it on
// disk (rabbitmq.com/docs/confirms).
//
// All methods are safe for concurrent use. [Publisher.Run] must be running for
// anything to be published.
type Publisher struct {
	name     string
	settings Settings
	topology topology
	confirms bool // false only in a wrong variant

	// outgoing leads to the one goroutine that owns the AMQP channel. It has no
	// buffer: what is sent on it is in that goroutine's hands, and answered.
	outgoing chan *outgoing

	mu       sync.Mutex
	notReady error         // nil while messages can be sent
	changed  chan struct{} // closed when notReady changes
}

// outgoing is a message on its way to the broker.
type outgoing struct {
	exchange, key string
	message       amqp.Publishing
	sent          time.Time
	answer        chan error // gets exactly one; buffered, as nobody may be waiting
}

// NewPublisher returns a publisher that is not connected yet.
func NewPublisher(settings Settings) *Publisher {
	p := newPublisher("producer", settings)
	if change := variants[settings.Variant].publisher; change != nil {
		change(p)
	}
	return p
}

func newPublisher(name string, settings Settings) *Publisher {
	return &Publisher{
		name:     name,
		settings: settings,
		topology: quorumOrders,
		confirms: true,
		outgoing: make(chan *outgoing),
		notReady: errors.New("not connected to the broker yet"),
		changed:  make(chan struct{}),
	}
}

// Run keeps the publisher connected until ctx ends. Then it takes no new orders,
// waits for the confirms that are outstanding, and returns nil.
func (p *Publisher) Run(ctx context.Context) error {
	return keepConnected(ctx, p.name, func(ctx context.Context) error {
		s, err := connect(ctx, p.settings, p.name, p.topology)
		if err != nil {
			p.setReady(err)
			return err
		}
		err = p.serve(ctx, s)
		return errors.Join(err, s.close())
	})
}

// Ready returns why no order can be accepted now, or nil.
func (p *Publisher) Ready(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notReady
}

func (p *Publisher) setReady(notReady error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notReady = notReady
	close(p.changed)
	p.changed = make(chan struct{})
}

// untilConnected waits for a connection, and returns why there is none when ctx
// ends before. One that is blocked counts: it is the consumers who free memory.
func (p *Publisher) untilConnected(ctx context.Context) error {
	for {
		p.mu.Lock()
		notReady, changed := p.notReady, p.changed
		p.mu.Unlock()
		if notReady == nil || errors.Is(notReady, ErrBlocked) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notReady
		}
	}
}

// Publish returns nil once the order is safe with the broker, and an error from
// the list above otherwise, at once while there is no connection and after
// [publishTimeout] at the latest.
func (p *Publisher) Publish(ctx context.Context, order shop.Order) error {
	message, err := encode(order)
	if err != nil {
		return err
	}
	if err := p.publish(ctx, p.topology.exchange, p.topology.queue, message); err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, err), retryAfter)
	}
	return nil
}

func (p *Publisher) publish(
	ctx context.Context, exchange, key string, message amqp.Publishing,
) error {
	if err := p.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m := &outgoing{exchange: exchange, key: key, message: message, answer: make(chan error, 1)}
	select {
	case p.outgoing <- m:
	case <-ctx.Done():
		return fmt.Errorf("not sent: %d others are waiting for the broker's confirm: %w",
			p.settings.Window, ctx.Err())
	}
	select {
	case err := <-m.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnconfirmed, ctx.Err())
	}
}
