package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// outcome is what became of a message in a consumer's hands.
type outcome struct {
	message Message
	order   identified
	err     error // why its work could not be done
	dead    bool  // it has failed too often

	// Known once it is settled.
	effect  string // the transaction that holds it
	skipped bool   // its order was in the inbox already
}

// settleSQL applies the effects of a batch and marks its messages, in one
// statement and one round trip:
//
//  1. The orders go into the inbox. What is there already is not returned.
//  2. The pieces of those that were new are set aside. The rows of the stock are
//     locked in the order of their names: two batches that took them in two
//     orders would wait for each other (a deadlock).
//  3. What was new is remembered as the last that this consumer has done.
//  4. The messages leave the outbox. A column processed_at would say the same, and an
//     update costs no less: Postgres writes a new row. But then the queue would be a
//     few open messages among all that ever were. What was done stands in the inbox.
//
// $1 ids of messages, $2 orders, $3 consumer; $4, $5, $6 lines of the orders.
const settleSQL = `
	WITH fresh AS (
		INSERT INTO inbox (order_id, consumer)
		SELECT o, $3 FROM unnest($2::uuid[]) o ORDER BY o
		ON CONFLICT DO NOTHING
		RETURNING order_id, effect
	), moved AS (
		INSERT INTO stock (sku, reserved)
		SELECT sku, sum(quantity)
		FROM unnest($4::uuid[], $5::text[], $6::bigint[]) line (order_id, sku, quantity)
		JOIN fresh USING (order_id)
		GROUP BY sku ORDER BY sku
		ON CONFLICT (sku) DO UPDATE SET reserved = stock.reserved + excluded.reserved
	), remembered AS (
		INSERT INTO last_effect (consumer, orders)
		SELECT $3, array_agg(order_id) FROM fresh HAVING count(*) > 0
		ON CONFLICT (consumer) DO UPDATE
		SET effect = excluded.effect, orders = excluded.orders
	), done AS (DELETE FROM outbox WHERE id = ANY($1))
	SELECT order_id, effect::text FROM fresh`

// settleBlindSQL is the same without an inbox: it believes every message.
const settleBlindSQL = `
	WITH moved AS (
		INSERT INTO stock (sku, reserved)
		SELECT sku, sum(quantity)
		FROM unnest($4::uuid[], $5::text[], $6::bigint[]) line (order_id, sku, quantity)
		GROUP BY sku ORDER BY sku
		ON CONFLICT (sku) DO UPDATE SET reserved = stock.reserved + excluded.reserved
	), done AS (DELETE FROM outbox WHERE id = ANY($1))
	SELECT o, '' FROM unnest($2::uuid[]) o WHERE $3 <> ''`

// settle writes what became of the messages. It is the caller's transaction that
// makes it true.
func (w *worker) settle(ctx context.Context, tx pgx.Tx, outcomes []outcome) error {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	b := &pgx.Batch{}
	if ids, orders, lines := split(outcomes); len(ids) > 0 {
		sql := settleSQL
		if !w.inbox {
			sql = settleBlindSQL
		}
		b.Queue(sql, ids, orders, w.name, lines.orders, lines.skus, lines.quantities).
			Query(func(rows pgx.Rows) error { return noteEffects(outcomes, rows) })
	}
	w.queueFailures(b, outcomes)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write the effects: %w", err)
	}
	return nil
}

// lines are all lines of all orders of a batch, as three columns.
type lines struct {
	orders     [][16]byte // UUIDs: pgx is slow with the named type
	skus       []string
	quantities []int64
}

func split(outcomes []outcome) (ids []int64, orders [][16]byte, all lines) {
	seen := map[[16]byte]bool{}
	for _, o := range outcomes {
		if o.err != nil {
			continue
		}
		ids = append(ids, o.message.ID)
		if seen[o.order.id] { // the same order twice in one batch
			continue
		}
		seen[o.order.id] = true
		orders = append(orders, o.order.id)
		for _, item := range o.order.Items {
			all.orders = append(all.orders, o.order.id)
			all.skus = append(all.skus, item.SKU)
			all.quantities = append(all.quantities, int64(item.Quantity))
		}
	}
	return ids, orders, all
}

// noteEffects reads which orders were new. One that was not has been done by a
// message that came before this one.
func noteEffects(outcomes []outcome, rows pgx.Rows) error {
	effects := map[[16]byte]string{}
	var order [16]byte
	var effect string
	_, err := pgx.ForEachRow(rows, []any{&order, &effect}, func() error {
		effects[order] = effect
		return nil
	})
	if err != nil {
		return err
	}
	for i := range outcomes {
		o := &outcomes[i]
		if o.err != nil {
			continue
		}
		effect, fresh := effects[o.order.id]
		o.effect, o.skipped = effect, !fresh
		delete(effects, o.order.id) // the same order twice in a batch: one is new
	}
	return nil
}

const alreadyDone = "already done: its row is in the inbox"

// report tells the log what has become true.
func report(ctx context.Context, outcomes []outcome) {
	for _, o := range outcomes {
		switch {
		case o.err == nil && o.skipped:
			shop.Skipped(ctx, o.order.ID, alreadyDone)
		case o.err == nil && o.effect == "":
			shop.Processed(ctx, o.order.ID)
		case o.err == nil:
			shop.Processed(ctx, o.order.ID, slog.String("effect", o.effect))
		case o.dead && o.order.ID != "":
			shop.Failed(ctx, o.order.ID, reason(o.err))
		case o.dead && errors.Is(o.err, ErrUnreadable):
			slog.ErrorContext(ctx, "a message that nobody can read was parked",
				"message", o.message.ID, "reason", reason(o.err))
		}
	}
}
