package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/shop"
)

// Producer puts orders into the log, and what becomes of their payments. It is safe for concurrent use.
type Producer struct {
	log         Log
	settings    Settings
	partitionOf func(shop.Order) int

	closing context.Context
	close   context.CancelFunc
	paying  sync.WaitGroup // a goroutine for each order that will be paid
}

// NewProducer returns a producer that uses the log, which stays the caller's.
func NewProducer(log Log, settings Settings) *Producer {
	p := &Producer{log: log, settings: settings}
	p.closing, p.close = context.WithCancel(context.Background())
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
	partition := p.partitionOf(order)
	if err := p.log.Append(ctx, partition, order.ID, body); err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, err), time.Second)
	}
	if after, ever := p.settings.pays(order); ever {
		p.paying.Go(func() { p.pay(partition, order, after) })
	}
	return nil
}

// pay is the payment service: when the customer has paid it says so, in the partition of the order, until
// the log has it. Customers who have not paid when the shop closes do not pay.
func (p *Producer) pay(partition int, order shop.Order, after time.Duration) {
	sleep(p.closing, after)
	body, err := encodePayment(Payment{order.ID, order.TotalCents(), time.Now().UTC()})
	for err == nil && p.closing.Err() == nil {
		switch err := p.log.Append(p.closing, partition, "payment-"+order.ID, body); {
		case err == nil || p.closing.Err() != nil:
			return
		case errors.Is(err, errRefused):
			slog.Error("the log does not take a payment", "order", order.ID, "reason", err)
			return
		default:
			slog.Warn("a payment is not in the log yet", "order", order.ID, "reason", err)
			sleep(p.closing, time.Second)
		}
	}
	if err != nil {
		slog.Error("a payment cannot be written down", "order", order.ID, "reason", err)
	}
}

// Close returns when nobody pays any more.
func (p *Producer) Close() {
	p.close()
	p.paying.Wait()
}

// Ready asks every partition for its end, which only a leader can tell.
func (p *Producer) Ready(ctx context.Context) error {
	_, err := p.log.Ends(ctx)
	return err
}
