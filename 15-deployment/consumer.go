package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Consumer takes orders from the table and does them. Consumers of both versions may take from
// one table.
type Consumer struct {
	pool     *pgxpool.Pool
	settings Settings
	release  Release
}

// NewConsumer returns a consumer of the settings' version. The pool stays the caller's.
func NewConsumer(pool *pgxpool.Pool, settings Settings, release Release) *Consumer {
	return &Consumer{pool: pool, settings: settings, release: release}
}

// Ready returns why no order can be done now, or nil.
func (c *Consumer) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	return tryStatement(ctx, c.pool, c.release.takeSQL())
}

// Run does orders until ctx ends. Then those in progress are finished, and Run returns nil.
func (c *Consumer) Run(ctx context.Context) error {
	var workers errgroup.Group
	for range c.settings.Workers {
		workers.Go(func() error { c.work(ctx); return nil })
	}
	return workers.Wait()
}

func (c *Consumer) work(ctx context.Context) {
	tries := pauses()
	for ctx.Err() == nil {
		found, err := c.one(ctx)
		switch {
		case err != nil:
			slog.WarnContext(ctx, "no order was done", "error", err)
			pause(ctx, tries.NextBackOff())
		case !found:
			tries.Reset()
			pause(ctx, c.settings.Poll)
		default:
			tries.Reset()
		}
	}
}

// one does the oldest order that nobody has in progress. The letter and the end of the order are one
// transaction: to be killed anywhere in it is to have done nothing.
func (c *Consumer) one(ctx context.Context) (found bool, err error) {
	ctx, cancel := withTimeout(ctx, c.settings)
	defer cancel()
	var order shop.Order
	var failure error
	err = pgx.BeginTxFunc(ctx, c.pool, withLease(c.settings), func(tx pgx.Tx) error {
		var total int64
		err := tx.QueryRow(ctx, c.release.takeSQL()).Scan(&order.ID, &order.UserEmail, &total)
		if err != nil {
			return err
		}
		shop.Received(ctx, order.ID, 1, slog.String("version", c.release.Name))
		failure = shop.Work(ctx, order, c.settings.Work)
		if failure != nil && !errors.Is(failure, shop.ErrBounced) {
			return failure
		}
		return finish(ctx, tx, order, total, failure)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil && order.ID != "":
		return false, fmt.Errorf("order %s: %w", order.ID, err)
	case err != nil:
		return false, fmt.Errorf("take an order: %w", err)
	case failure != nil:
		shop.Failed(ctx, order.ID, failure.Error())
	default:
		shop.Processed(ctx, order.ID, slog.String("version", c.release.Name))
	}
	return true, nil
}

// finish writes what became of the order.
func finish(
	ctx context.Context, tx pgx.Tx, order shop.Order, cents int64, failure error,
) error {
	b := new(pgx.Batch)
	if failure == nil {
		b.Queue(`INSERT INTO mails (order_id, sent_to, billed_cents) VALUES ($1, $2, $3)`,
			order.ID, order.UserEmail, cents)
		b.Queue(`UPDATE orders SET done_at = now() WHERE id = $1`, order.ID)
	} else {
		b.Queue(`UPDATE orders SET done_at = now(), failure = $2 WHERE id = $1`,
			order.ID, shop.Reason(failure))
	}
	return tx.SendBatch(ctx, b).Close()
}

// openTimeout bounds the opening of one connection.
const openTimeout = 5 * time.Second
