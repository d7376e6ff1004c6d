package outbox

import (
	"context"
	"errors"
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

// removeOldRows removes from the inbox what was done longer ago than Settings.Keep: a
// message that comes twice later than that would be done twice. What is parked in the
// outbox is left for a person.
func (c *Consumer) removeOldRows(ctx context.Context) error {
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
		c.warnOfOldSnapshot(ctx)
	}
}

// oldSnapshot is how many transactions may have begun since somebody's snapshot was
// taken before we speak of it. Batches of a hundred are through a million messages
// by then.
const oldSnapshot = 10_000

// warnOfOldSnapshot says who keeps the dead rows of the queue from being removed: a
// backup, a report, a session that somebody has forgotten. The queue is drained
// several times slower the more of them there are.
func (c *Consumer) warnOfOldSnapshot(ctx context.Context) {
	holder, age, err := c.oldestSnapshot(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		slog.WarnContext(ctx, "could not look for old snapshots", "reason", explain(err))
	case age >= oldSnapshot:
		slog.WarnContext(ctx, "an old snapshot keeps dead rows from being removed",
			"held_by", holder, "age_in_transactions", age)
	}
}

// oldestSnapshot returns who holds the oldest, and how many transactions have begun
// since (xmin). It is 0 if nobody holds one.
func (c *Consumer) oldestSnapshot(ctx context.Context) (holder string, age int64, err error) {
	ctx, cancel := orStop(ctx, c.settings)
	defer cancel()
	err = c.pool.QueryRow(ctx, `
		SELECT holder, age(xmin)::bigint FROM (
			SELECT format('session %s %s', pid, application_name), backend_xmin
			FROM pg_stat_activity WHERE pid <> pg_backend_pid()
			UNION ALL SELECT 'replication slot ' || slot_name, xmin FROM pg_replication_slots
			UNION ALL SELECT 'prepared transaction ' || gid, transaction FROM pg_prepared_xacts
		) snapshots (holder, xmin)
		WHERE xmin IS NOT NULL ORDER BY age(xmin) DESC LIMIT 1`).Scan(&holder, &age)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, nil
	}
	return holder, age, err
}

// Sweep removes what is old enough now, and returns how many orders that were.
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

// sweepInbox begins at the old end of the primary key: the UUID of an order counts up
// (version 7). That needs no index of its own. Only so many of the oldest rows are
// looked at, so that a sweep that finds nothing to remove costs nothing, however many
// rows there are. One that was done late, and is young among old ones, waits with
// those behind it for a later sweep.
const sweepInbox = `
	DELETE FROM inbox WHERE order_id IN (
		SELECT order_id FROM (
			SELECT order_id, processed_at FROM inbox ORDER BY order_id LIMIT $2) oldest
		WHERE processed_at < now() - make_interval(secs => $1))`

func (c *Consumer) sweepOnce(ctx context.Context) (removed int64, err error) {
	ctx, cancel := orStop(ctx, c.settings)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, c.pool, withLease(c.settings), func(tx pgx.Tx) error {
		var mine bool
		lock := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, houseKey)
		if err := lock.Scan(&mine); err != nil || !mine {
			return err
		}
		tag, err := tx.Exec(ctx, sweepInbox, c.settings.Keep.Seconds(), sweepBatch)
		removed = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove what is done: %w", err)
	}
	return removed, nil
}
