package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BadKinds are the kinds of messages that [Inject] knows.
const BadKinds = "garbage, unknown-event, wrong-version or duplicate"

// Inject writes count messages of a kind into the outbox, past the producer.
// Garbage is no order, unknown-event and wrong-version are what no consumer here
// reads, and duplicate is one good order twice, as from a producer that was not
// sure and wrote it again. A good order is logged as accepted.
func Inject(ctx context.Context, pool *pgxpool.Pool, kind string, count int) error {
	inject, known := map[string]func(context.Context, pgx.Tx, shop.Order) error{
		"garbage":       injectGarbage,
		"unknown-event": injectKind(Kind{"order.danced", 1}),
		"wrong-version": injectKind(Kind{OrderPlacedV1.Name, 9}),
		"duplicate":     injectTwice,
	}[kind]
	if !known {
		return usagef("kind %q is unknown: want %s", kind, BadKinds)
	}
	for range count {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			return err
		}
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return inject(ctx, tx, order) })
		if err != nil {
			return fmt.Errorf("inject: %w", explain(err))
		}
		if kind == "duplicate" {
			shop.Accepted(ctx, order.ID)
		}
	}
	return nil
}

func injectGarbage(ctx context.Context, tx pgx.Tx, _ shop.Order) error {
	return injectRow(ctx, tx, OrderPlacedV1, []byte(`"this is JSON, and no order"`))
}

func injectKind(kind Kind) func(context.Context, pgx.Tx, shop.Order) error {
	return func(ctx context.Context, tx pgx.Tx, order shop.Order) error {
		body, err := json.Marshal(order)
		if err != nil {
			return err
		}
		return injectRow(ctx, tx, kind, body)
	}
}

func injectRow(ctx context.Context, tx pgx.Tx, kind Kind, body []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO outbox (event, version, body) VALUES ($1, $2, $3)`,
		kind.Name, kind.Version, body)
	return err
}

func injectTwice(ctx context.Context, tx pgx.Tx, order shop.Order) error {
	one, err := newEntry(order)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, placeSQL, columns([]entry{one})...); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO outbox (order_id, customer, event, version, body)
		SELECT order_id, customer, event, version, body FROM outbox WHERE order_id = $1`, one.id)
	return err
}
