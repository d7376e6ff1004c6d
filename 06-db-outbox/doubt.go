package outbox

import (
	"context"
	"fmt"
	"log/slog"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// The database knows what has happened, the log only what somebody lived to
// write. Twice the two can differ:
//
//   - The commit was sent and no answer came. It may have happened or not, and
//     the worker that asked is still there to find out.
//   - The commit happened, and the process died before it wrote the line. Then
//     its next life must write it, and cannot know whether the last one had.
//
// So a line may be written twice. That does no harm, because it says which
// effect it speaks of: the transaction in the inbox. Who reads the log counts an
// effect once, however often he reads of it, just as the inbox does with orders.

// clearUp settles what is in doubt before anything new is begun.
func (w *worker) clearUp(ctx context.Context) error {
	if !w.ready {
		return w.reportLastLife(ctx)
	}
	if len(w.doubt) == 0 {
		return nil
	}
	if err := w.resolve(ctx); err != nil {
		return fmt.Errorf("a commit is still in doubt: %w", err)
	}
	w.doubt = nil
	return nil
}

// resolve finds out about a commit that nobody answered. To lock its messages is
// to wait for the end of that transaction, should the server be at it still.
// After that, what is in the inbox under our name is ours, and what is not will
// never be.
func (w *worker) resolve(ctx context.Context) error {
	ids, orders, _ := split(w.doubt)
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	return pgx.BeginTxFunc(ctx, w.pool, withLease(w.settings), func(tx pgx.Tx) error {
		const lock = `SELECT FROM outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE`
		if _, err := tx.Exec(ctx, lock, ids); err != nil {
			return err
		}
		return w.reportEffects(ctx, tx, `
			SELECT order_id::text, effect::text FROM inbox
			WHERE order_id = ANY($2) AND consumer = $1`, w.name, orders)
	})
}

// reportLastLife reports the last transaction of the life before this one. There
// cannot be more than that: a worker begins nothing new before it has told of
// what it did. The server may be at that transaction still: to insert the row that it
// is writing is to wait for its end.
func (w *worker) reportLastLife(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	_, err := w.pool.Exec(ctx, `
		INSERT INTO last_effect (consumer, orders) VALUES ($1, '{}') ON CONFLICT DO NOTHING`,
		w.name)
	if err != nil {
		return err
	}
	err = w.reportEffects(ctx, w.pool, `
		SELECT unnest(orders)::text, effect::text FROM last_effect WHERE consumer = $1`, w.name)
	if err != nil {
		return err
	}
	return w.reportParked(ctx)
}

func (w *worker) reportEffects(
	ctx context.Context, db querier, query string, args ...any,
) error {
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var order, effect string
	_, err = pgx.ForEachRow(rows, []any{&order, &effect}, func() error {
		shop.Processed(ctx, order, slog.String("effect", effect),
			slog.Bool("reported_late", true))
		return nil
	})
	return err
}

// reportParked repeats what was given up a moment ago, by whomever.
func (w *worker) reportParked(ctx context.Context) error {
	rows, err := w.pool.Query(ctx, `
		SELECT order_id::text, coalesce(error, '') FROM outbox
		WHERE dead_at > now() - interval '1 minute' AND order_id IS NOT NULL`)
	if err != nil {
		return err
	}
	var order, reason string
	_, err = pgx.ForEachRow(rows, []any{&order, &reason}, func() error {
		shop.Failed(ctx, order, reason)
		return nil
	})
	return err
}
