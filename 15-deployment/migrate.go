package deployment

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// The versions of the tables: Fowler's parallel change, also called expand and contract.
const (
	Base     int64 = 1 // what v1 was written for
	Expanded int64 = 2 // v1 and v2 work side by side
	Contract int64 = 3 // v1 cannot work any more
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// migrationKey is the advisory lock that lets one program migrate at a time.
	migrationKey = 15_0001
	// lockTimeout is how long a migration waits for a table that somebody uses. While ALTER TABLE
	// waits for one long query, all that come later wait behind it: so it gives up soon, lets the
	// others pass, and tries again.
	lockTimeout = 200 * time.Millisecond
	// migrateWithin bounds all tries together.
	migrateWithin = time.Minute
)

// Migrate brings the tables to a version that is not older than the given one. It may be called
// again, and by several programs at once. What is newer stays: to go back is no migration but a
// decision.
func Migrate(ctx context.Context, pool *pgxpool.Pool, version int64) error {
	return migrate(ctx, pool, version, lockTimeout)
}

// MigrateURL brings a database to what v1 and v2 can work with side by side.
func MigrateURL(ctx context.Context, address string) error {
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return fmt.Errorf("open a pool of connections: %w", err)
	}
	defer pool.Close()
	return Migrate(ctx, pool, Expanded)
}

func migrate(
	ctx context.Context, pool *pgxpool.Pool, version int64, patience time.Duration,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, migrateWithin,
		fmt.Errorf("the tables were not at version %d within %s", version, migrateWithin))
	defer cancel()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := migrateOnce(ctx, pool, version, patience)
		if err != nil && !isBusy(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses()), backoff.WithNotify(func(err error, _ time.Duration) {
		slog.WarnContext(ctx, "the tables are in use: the migration tries again", "error", err)
	}))
	if err != nil {
		return fmt.Errorf("migrate to version %d: %w", version, err)
	}
	return nil
}

// isBusy says that a lock was not to be had in time (lock_not_available).
func isBusy(err error) bool {
	refused := new(pgconn.PgError)
	return errors.As(err, &refused) && refused.Code == "55P03"
}

func migrateOnce(
	ctx context.Context, pool *pgxpool.Pool, version int64, patience time.Duration,
) (err error) {
	config := pool.Config().ConnConfig.Copy()
	config.RuntimeParams["lock_timeout"] = fmt.Sprint(patience.Milliseconds())
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationKey); err != nil {
			return fmt.Errorf("wait for one's turn: %w", err)
		}
		files, err := fs.Sub(migrations, "migrations")
		if err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
		if err != nil {
			return err
		}
		now, err := provider.GetDBVersion(ctx)
		if err != nil || now >= version {
			return err
		}
		_, err = provider.UpTo(ctx, version)
		return err
	})
}

const (
	// batchTime is how long one batch of a backfill may take: so long it holds its rows, and an order
	// that wants one of them waits.
	batchTime = 50 * time.Millisecond
	// firstBatch is how many rows the first one has: of the database nothing is known yet.
	firstBatch = 10
)

// Backfill gives the orders of old times their customer, in batches of at most so many rows, and
// returns how many there were. Each batch is a transaction: a backfill that is killed goes on where
// it was. It gives way to customers in two ways. A batch that takes too long is followed by one half
// its size; and between two the database has as long a rest as the last one took.
func Backfill(ctx context.Context, pool *pgxpool.Pool, most int) (filled int64, err error) {
	batch := min(firstBatch, most)
	for {
		began := time.Now()
		done, err := pool.Exec(ctx, `
			UPDATE orders SET customer = user_email WHERE id IN (
				SELECT id FROM orders WHERE customer IS NULL
				ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)`, batch)
		if err != nil {
			return filled, fmt.Errorf("backfill: %w", err)
		}
		filled += done.RowsAffected()
		if done.RowsAffected() == 0 {
			more, err := unfilled(ctx, pool)
			if err != nil || !more {
				return filled, err
			}
		}
		took := time.Since(began)
		batch = nextBatch(batch, most, took)
		if !pause(ctx, took) {
			return filled, fmt.Errorf("backfill: %w", context.Cause(ctx))
		}
	}
}

// nextBatch is the size of the batch after one that took so long.
func nextBatch(batch, most int, took time.Duration) int {
	if took > batchTime {
		return max(1, batch/2)
	}
	return min(batch*2, most)
}

// unfilled says whether a row was passed over because a consumer had it in progress.
func unfilled(ctx context.Context, pool *pgxpool.Pool) (more bool, err error) {
	err = pool.QueryRow(ctx,
		`SELECT EXISTS (SELECT FROM orders WHERE customer IS NULL)`).Scan(&more)
	if err != nil {
		return false, fmt.Errorf("backfill: %w", err)
	}
	return more, nil
}

// pause waits, and says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pauses between tries: doubled up to a second, and random by half, so that many programs that
// have lost the same database do not come back in the same instant.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, MaxInterval: time.Second,
		Multiplier: 2, RandomizationFactor: 0.5,
	}
}
