package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	saga "course.example/11-saga"
	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5/pgxpool"
)

// app is the name of this application among those that share the engine's tables.
const app = "saga"

// openDatabase returns a pool of connections to a database that has the tables of the step and
// those of the engine.
func openDatabase(
	ctx context.Context, s Settings, name string, connections int32,
) (*pgxpool.Pool, error) {
	pool, err := saga.OpenDatabase(ctx, s.Settings, name, connections)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := migrate(ctx, pool, s.DatabaseURL); err != nil {
		shop.Close("the database", pool.Close)
		return nil, fmt.Errorf("create the tables of the engine: %w", err)
	}
	return pool, nil
}

// startTimeout bounds how long a program waits for the engine's tables.
const startTimeout = 30 * time.Second

// migrate lets one program after the other create the engine's tables, which is not made for two
// at once. The lock is tried and not waited for: a statement that waits has a snapshot, and the
// engine's CREATE INDEX CONCURRENTLY waits for all older snapshots to end.
func migrate(ctx context.Context, pool *pgxpool.Pool, url string) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = backoff.Retry(ctx, func() (locked bool, err error) {
		err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(1124)`).Scan(&locked)
		if err == nil && !locked {
			return false, errBusy
		}
		return locked, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(50*time.Millisecond)))
	if err != nil {
		return err
	}
	err = dbos.Migrate(ctx, url, dbos.WithMigrateLogger(silent))
	_, unlock := conn.Exec(ctx, `SELECT pg_advisory_unlock(1124)`)
	return errors.Join(err, unlock)
}

// silent is for what the engine is only asked for in passing: its errors are returned.
var silent = slog.New(slog.DiscardHandler)

var errBusy = errors.New("another program is creating them")
