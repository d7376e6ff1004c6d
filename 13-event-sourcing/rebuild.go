package eventsourcing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Rebuild builds a read model again from the first event, beside the old one, and then
// switches. Customers read the old one until the new one has caught up. The projectors that
// run do the work: a new generation is more checkpoints for them, no more. parts is how many
// of them can work at it side by side.
//
// It returns the new generation, or an error when ctx ends first. What it has begun is taken
// back then.
func Rebuild(
	ctx context.Context, pool *pgxpool.Pool, s Settings, name string, parts int,
) (generation int, err error) {
	model, known := projections[name]
	if !known || model.table == "" && !variants[s.Variant].rebuildsMail {
		return 0, usagef("projection %q cannot be built again: want customers, stock or sales",
			name)
	}
	if parts < 1 || parts > 64 {
		return 0, usagef("parts must be 1 to 64, is %d", parts)
	}
	if generation, err = beginGeneration(ctx, pool, s, name, parts); err != nil {
		return 0, err
	}
	if err = catchUp(ctx, pool, s, name, generation); err == nil {
		err = switchTo(ctx, pool, s, model, generation)
	}
	if err != nil {
		undo, cancel := withTimeout(ctx, s)
		defer cancel()
		if err := dropGenerations(undo, pool, model, generation, generation); err != nil {
			slog.WarnContext(ctx, "what was begun is left behind", "reason", reason(err))
		}
	}
	return generation, err
}

func beginGeneration(
	ctx context.Context, pool *pgxpool.Pool, s Settings, name string, parts int,
) (generation int, err error) {
	ctx, cancel := withTimeout(ctx, s)
	defer cancel()
	// A number is never used again: rows of one that was given up may be left behind.
	err = pool.QueryRow(ctx, `
		WITH next AS (
			UPDATE projections SET newest = newest + 1 WHERE name = $1 RETURNING newest
		)
		INSERT INTO checkpoints (projection, generation, part, parts)
		SELECT $1, newest, part, $2 FROM next, generate_series(0, $2 - 1) part
		RETURNING generation`, name, parts).Scan(&generation)
	if err != nil {
		return 0, fmt.Errorf("begin a generation: %w", explain(err))
	}
	// The bell: who has slept through it finds the generation with the next poll.
	_, err = pool.Exec(ctx, `SELECT pg_notify('events', '')`)
	return generation, err
}

// catchUp waits until the new generation has come as far as the log went when it was asked.
func catchUp(
	ctx context.Context, pool *pgxpool.Pool, s Settings, name string, generation int,
) error {
	const behind = `SELECT EXISTS (SELECT FROM checkpoints c CROSS JOIN LATERAL (
			SELECT FROM events e WHERE (e.txid, e.position) > (c.txid, c.position)
			AND (e.txid, e.position) <= ($3::text::xid8, $4) AND ` + inPart + `
			ORDER BY e.txid, e.position LIMIT 1) e
		WHERE projection = $1 AND generation = $2)`
	var txid string
	var position int64
	asking, cancel := withTimeout(ctx, s)
	defer cancel()
	err := pool.QueryRow(asking, `
		SELECT coalesce(max(txid)::text, '0'), coalesce(max(position), 0) FROM (
			SELECT txid, position FROM events ORDER BY txid DESC, position DESC LIMIT 1) last`,
	).Scan(&txid, &position)
	for err == nil {
		var waits bool
		asking, cancel := withTimeout(ctx, s)
		err = pool.QueryRow(asking, behind, name, generation, txid, position).Scan(&waits)
		cancel()
		switch {
		case err != nil:
		case !waits:
			return nil
		case !sleep(ctx, 20*time.Millisecond):
			err = fmt.Errorf("stopped before it had caught up: %w", context.Cause(ctx))
		}
	}
	return fmt.Errorf("build generation %d of %s: %w", generation, name, explain(err))
}

// switchTo lets customers read the new generation, and removes those before it.
func switchTo(
	ctx context.Context, pool *pgxpool.Pool, s Settings, model projection, generation int,
) error {
	ctx, cancel := withTimeout(ctx, s)
	defer cancel()
	var live int
	err := pool.QueryRow(ctx, `UPDATE projections SET live = greatest(live, $2)
		WHERE name = $1 RETURNING live`, model.name, generation).Scan(&live)
	if err != nil {
		return fmt.Errorf("switch %s to generation %d: %w", model.name, generation, explain(err))
	}
	return dropGenerations(ctx, pool, model, 1, live-1)
}

// dropGenerations removes the checkpoints, and then the rows. A projector that is at one of
// them has its transaction refused as it moves the checkpoint, so that no row comes after.
func dropGenerations(
	ctx context.Context, pool *pgxpool.Pool, model projection, from, to int,
) error {
	b := &pgx.Batch{}
	for _, table := range []string{"checkpoints", "parked"} {
		b.Queue(`DELETE FROM `+table+` WHERE projection = $1 AND generation BETWEEN $2 AND $3`,
			model.name, from, to)
	}
	err := pool.SendBatch(ctx, b).Close()
	if err == nil && model.table != "" {
		_, err = pool.Exec(ctx, `DELETE FROM `+model.table+
			` WHERE generation BETWEEN $1 AND $2`, from, to)
	}
	if err != nil {
		return fmt.Errorf("remove generations %d to %d of %s: %w", from, to, model.name, explain(err))
	}
	return nil
}
