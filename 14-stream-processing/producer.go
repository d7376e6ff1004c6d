package streams

import (
	"context"
	"fmt"
	"time"

	"course.example/shop"
)

// Producer puts orders into the log. It is safe for concurrent use.
type Producer struct {
	log         Log
	settings    Settings
	partitionOf func(shop.Order) int
}

// NewProducer returns a producer that uses the log, which stays the caller's.
func NewProducer(log Log, settings Settings) *Producer {
	p := &Producer{log: log, settings: settings}
	p.partitionOf = func(o shop.Order) int { return PartitionOf(o.UserEmail, settings.Partitions) }
	if change := variants[settings.Variant].producer; change != nil {
		change(p)
	}
	return p
}

// Place returns nil when the log has the order. An order of which nobody knows whether it is in the log
// is not accepted, and the error says so.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	order = p.settings.vary(order)
	body, err := encode(order)
	if err != nil {
		return err
	}
	if err := p.log.Append(ctx, p.partitionOf(order), order.ID, body); err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, err), time.Second)
	}
	return nil
}

// Ready asks every partition for its end, which only a leader can tell.
func (p *Producer) Ready(ctx context.Context) error {
	_, err := p.log.Ends(ctx)
	return err
}
