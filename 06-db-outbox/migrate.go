package outbox

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationKey is an advisory lock: a number that Postgres lets one transaction hold
// at a time, and takes back when it ends, however it ends (postgresql.org/docs,
// "Advisory Locks").
const migrationKey = 6_0001

// Migrate brings the tables to the version of this program. Every program of the
// step calls it as it starts, and all of them may start in the same instant: one
// gets the lock and works, the others wait and find nothing left to do.
//
// The lock has a connection of its own, and a transaction rather than a session:
// behind a pooler, what looks like one session may be several.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (err error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationKey); err != nil {
			return fmt.Errorf("migrate: wait for one's turn: %w", err)
		}
		return migrate(ctx, pool)
	})
}

func migrate(ctx context.Context, pool *pgxpool.Pool) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
