package serialization

import (
	"context"
	"fmt"
	"sync"
	"time"

	"course.example/shop"
)

const retryAfter = time.Second

// Publisher turns orders into events and puts them into the queue. It is the
// publisher of step 07 in short: accepted is what the broker has confirmed. It is
// safe for concurrent use.
type Publisher struct {
	settings Settings
	writer   Writer
	numbers  *numbers
	out      *sender
}

// NewPublisher returns a publisher that is not connected yet.
func NewPublisher(settings Settings) (*Publisher, error) {
	writer, err := settings.writer()
	if err != nil {
		return nil, err
	}
	return &Publisher{settings: settings, writer: writer,
		numbers: &numbers{node: int64(settings.Node)},
		out:     newSender(settings.URL, "producer")}, nil
}

// Run keeps the publisher connected until ctx ends.
func (p *Publisher) Run(ctx context.Context) error { return p.out.run(ctx) }

// Ready returns why no order can be accepted now, or nil.
func (p *Publisher) Ready(context.Context) error { return p.out.ready() }

// Publish returns nil once the order is safe with the broker. It returns after
// [confirmTimeout] at the latest.
func (p *Publisher) Publish(ctx context.Context, order shop.Order) error {
	message, err := p.writer.Write(NewEvent(order, p.numbers.next(), p.settings.Schema))
	if err != nil {
		return err
	}
	if err := p.out.put(ctx, Queue, message); err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, err), retryAfter)
	}
	return nil
}

// NewEvent makes the event of an order, as a program of that version would. Every
// third order uses what is new in version 2, so that an old consumer meets it.
func NewEvent(order shop.Order, number int64, version int) OrderPlaced {
	e := OrderPlaced{
		OrderID: order.ID, OrderNumber: number, UserEmail: order.UserEmail,
		PlacedAt: order.PlacedAt, Channel: Web,
		Payment: Payment{Card: &Card{Last4: "4242"}},
	}
	for _, it := range order.Items {
		e.Items = append(e.Items, Item{it.SKU, int32(it.Quantity), it.PriceCents})
	}
	if version == 1 {
		return e
	}
	e.Contact = &Contact{Email: order.UserEmail}
	if number%3 == 0 {
		e.Channel = App
		e.Payment = Payment{Wallet: &Wallet{Provider: "PayFriend"}}
	}
	return e
}

// numbers gives out order numbers as Twitter's Snowflake does: 41 bits of
// milliseconds, 10 of the node that gives them out, 12 of a counter. They are
// unique without asking anyone, they grow, and they need more than 53 bits. When
// Twitter began to use them, every client in JavaScript saw wrong ones, and the
// API got a second field: id_str.
type numbers struct {
	node int64

	mu   sync.Mutex
	last int64 // milliseconds << 12 | counter
}

func (n *numbers) next() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	// A counter that overflows runs into the next millisecond, which is fine as
	// long as nothing is given out twice.
	n.last = max(n.last+1, time.Now().UnixMilli()<<12)
	return n.last>>12<<22 | n.node<<12 | n.last&0xfff
}

// nodes is how many nodes can give out numbers at a time.
const nodes = 1 << 10
