package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	houseEvery = 10 * time.Second
	sweepBatch = 5000 // rows at a time, so that no transaction is long
	// houseKey is the advisory lock that keeps a hundred consumers from sweeping
	// the same floor.
	houseKey = 6_0002
)

// keepHouse removes what has been done for longer than Settings.Keep. The inbox
// keeps its rows as long as the messages: a message that comes twice later
// than that would be done twice. Dead messages are left for a person.
func (c *Consumer) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(houseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		removed, err := c.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "could not clean up: trying again later",
				"reason", explain(err))
		}
		if removed > 0 {
			slog.InfoContext(ctx, "cleaned up", "rows", removed)
		}
	}
}

// Sweep removes what is old enough now, and returns how many messages that were.
// It returns at once when another consumer is at it.
func (c *Consumer) Sweep(ctx context.Context) (removed int64, err error) {
	for {
		n, err := c.sweepOnce(ctx)
		removed += n
		if err != nil || n < sweepBatch || ctx.Err() != nil {
			return removed, err
		}
	}
}

// Both tables are swept from the old end of their primary keys: an id counts up,
// and so does the UUID of an order, of version 7. That needs no index of its own.
// Only so many of the oldest rows are looked at, so that a sweep that finds nothing
// to remove costs nothing, however many rows there are. One that was done late, and
// is young among old ones, waits with those behind it for a later sweep.
const (
	sweepProcessed = `
		DELETE FROM outbox_processed WHERE id IN (
			SELECT id FROM (
				SELECT id, processed_at FROM outbox_processed ORDER BY id LIMIT $2) oldest
			WHERE processed_at < now() - make_interval(secs => $1))`
	sweepInbox = `
		DELETE FROM inbox WHERE order_id IN (
			SELECT order_id FROM (
				SELECT order_id, processed_at FROM inbox ORDER BY order_id LIMIT $2) oldest
			WHERE processed_at < now() - make_interval(secs => $1))`
)

func (c *Consumer) sweepOnce(ctx context.Context) (removed int64, err error) {
	ctx, cancel := withTimeout(ctx, c.settings)
	defer cancel()
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		var mine bool
		lock := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, houseKey)
		if err := lock.Scan(&mine); err != nil || !mine {
			return err
		}
		age := c.settings.Keep.Seconds()
		tag, err := tx.Exec(ctx, sweepProcessed, age, sweepBatch)
		if err != nil {
			return err
		}
		removed = tag.RowsAffected()
		_, err = tx.Exec(ctx, sweepInbox, age, sweepBatch)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove what is done: %w", err)
	}
	return removed, nil
}
