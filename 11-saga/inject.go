package saga

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
)

// badMessages are what a stranger may send. Each is a whole message but for one thing.
var badMessages = map[string]func(*Message){
	// A database keeps no NUL in a text.
	"unstorable": func(m *Message) { m.Reason = "NUL: \x00" },
	// Whoever believes it pays this out.
	"forged-refund": func(m *Message) { m.Order.Items[0].PriceCents = shop.MaxPriceCents },
	// Whoever believes it puts pieces on the shelf.
	"negative": func(m *Message) { m.Kind, m.Order.Items[0].Quantity = ReserveStock, -1000 },
	// The error of whoever reads it may quote it.
	"huge": func(m *Message) { m.Order.Items[0].SKU = strings.Repeat("9", 130_000) },
}

// BadKinds are the kinds of messages that [Inject] knows.
var BadKinds = strings.Join(slices.Sorted(maps.Keys(badMessages)), ", ")

// Inject publishes bad messages of a kind.
func Inject(ctx context.Context, s Settings, kind string, count int) error {
	spoil, known := badMessages[kind]
	if !known {
		return usagef("kind %q is unknown: want one of %s", kind, BadKinds)
	}
	b := newBus(s, "inject", bindings(variants[s.Variant]))
	conn, channel, err := b.dial("inject")
	if err != nil {
		return err
	}
	defer func() { _ = closeBroker(conn) }()
	if err := errors.Join(channel.Confirm(false), b.declare(channel)); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	b.set(channel)
	for range count {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			return err
		}
		m := Message{ID: order.ID, Kind: RefundPayment, Order: order}
		spoil(&m)
		if err := b.publish(ctx, []Message{m}); err != nil {
			return fmt.Errorf("inject: %w", err)
		}
	}
	slog.InfoContext(ctx, "injected", "kind", kind, "count", count)
	return nil
}
