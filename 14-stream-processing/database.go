package streams

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schema string

// schemaKey is an advisory lock: programs that start at once make the tables one after the other.
const schemaKey = 14_0001

// OpenDatabase returns a pool of connections. It dials nothing yet.
func OpenDatabase(ctx context.Context, settings Settings) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(settings.DatabaseURL)
	if err != nil {
		return nil, usagef("DATABASE_URL: want postgres://user:password@host:port/database")
	}
	config.ConnConfig.ConnectTimeout = settings.Timeout
	config.ConnConfig.RuntimeParams["application_name"] = settings.Name
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

// MakeTables makes those that are missing.
func MakeTables(ctx context.Context, pool *pgxpool.Pool, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, schemaKey)
		if err == nil {
			_, err = tx.Exec(ctx, schema)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("make the tables: %w", explain(err))
	}
	return nil
}

// AwaitTables is [MakeTables] for as long as the database is away. What waiting cannot mend, such as a
// wrong password, is an error at once.
func AwaitTables(ctx context.Context, pool *pgxpool.Pool, settings Settings) error {
	for ctx.Err() == nil {
		err := MakeTables(ctx, pool, settings.Timeout)
		if err == nil || errors.Is(err, errSettings) {
			return err
		}
		slog.WarnContext(ctx, "not ready", "reason", err)
		sleep(ctx, time.Second)
	}
	return ctx.Err()
}

// errSettings says that an address is wrong, and not that somebody is away.
var errSettings = errors.New("DATABASE_URL")

// explain adds to an error what a reader can do about it. It never shows the password.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	switch {
	case errors.As(err, &refused) && refused.Code == "28P01":
		return fmt.Errorf("the database refuses this user and password: check %w: %s",
			errSettings, refused.Message)
	case errors.As(err, &refused) && refused.Code == "3D000":
		return fmt.Errorf("there is no such database: check %w: %s", errSettings, refused.Message)
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("no PostgreSQL answers at %s:%d (DATABASE_URL): %w",
			opening.Config.Host, opening.Config.Port, network.Err)
	default:
		return err
	}
}
