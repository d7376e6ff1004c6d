package saga

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schemaSQL string

// databaseTimeout bounds a transaction: a connection that was cut says nothing,
// for as long as one listens.
const databaseTimeout = 5 * time.Second

// openDatabase returns a pool whose connections see the schema of one program and
// no other: that is what keeps services from reading each other's tables.
func openDatabase(ctx context.Context, s Settings, schema string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.DatabaseURL)
	if err != nil {
		return nil, usagef("DATABASE_URL is not an address of a database; " +
			"want postgres://user:password@host:port/database")
	}
	config.MaxConns = int32(s.Workers + 2)
	config.ConnConfig.ConnectTimeout = databaseTimeout
	params := config.ConnConfig.RuntimeParams
	params["search_path"] = schema
	params["application_name"] = schema
	// A process that hangs, or that the network has cut off, holds its locks no
	// longer than this.
	params["idle_in_transaction_session_timeout"] = "10000"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	if err := patiently(ctx, "create the tables", func(ctx context.Context) error {
		return migrate(ctx, pool)
	}); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// migrate creates what is not there yet. All programs do it as they start, and
// the advisory lock lets them do it one after the other.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(11)`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schemaSQL)
		return err
	})
}

// patiently does something until it succeeds or ctx ends. A server that is away
// comes back; only what will never succeed is returned at once.
func patiently(ctx context.Context, what string, do func(context.Context) error) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 50*time.Millisecond, time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		// What has begun is finished, even while the program drains.
		inTime, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), databaseTimeout,
			fmt.Errorf("no answer within %s", databaseTimeout))
		defer cancel()
		return struct{}{}, explain(do(inTime))
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			if errors.Is(err, errConflict) {
				return // somebody else was first: nothing is wrong
			}
			slog.WarnContext(ctx, "trying again", "what", what, "reason", err,
				"next_try_in", next.Round(time.Millisecond))
		}))
	return err
}

// explain adds to an error of the database what a reader can do about it.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Code == "28P01":
		return backoff.Permanent(fmt.Errorf("the database refuses this user and password: "+
			"check DATABASE_URL: %s", refused.Message))
	case errors.As(err, &refused) && refused.Code == "3D000":
		return backoff.Permanent(fmt.Errorf("check the end of DATABASE_URL: %s", refused.Message))
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("no PostgreSQL answers at %s:%d (DATABASE_URL): %w",
			opening.Config.Host, opening.Config.Port, network.Err)
	default:
		return err
	}
}
