package actors

import (
	"context"
	"errors"
	"fmt"

	"course.example/12-actors/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PostgresStore keeps each state in a row, and the grain's effects in rows of
// their own.
type PostgresStore struct{ pool *pgxpool.Pool }

// Two silos that start at once would both create the tables, and one of them fail:
// the lock lets them do it one after the other.
const postgresTables = `
SELECT pg_advisory_xact_lock(20121);
CREATE TABLE IF NOT EXISTS grain_states (
	grain   text PRIMARY KEY,
	version bigint NOT NULL,
	data    jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS grain_effects (
	grain   text NOT NULL,
	effect  text NOT NULL,
	version bigint NOT NULL, -- of the state that contains it
	PRIMARY KEY (grain, effect)
);`

// NewPostgresStore creates the tables where they are missing. The pool stays the
// caller's to close.
func NewPostgresStore(ctx context.Context, pool *pgxpool.Pool) (*PostgresStore, error) {
	if _, err := pool.Exec(ctx, postgresTables); err != nil {
		return nil, fmt.Errorf("postgres: create the tables: %w", err)
	}
	return &PostgresStore{pool}, nil
}

func (s *PostgresStore) Read(ctx context.Context, grain string) (engine.Record, error) {
	var r engine.Record
	err := s.pool.QueryRow(ctx,
		`SELECT version, data FROM grain_states WHERE grain = $1`, grain,
	).Scan(&r.Version, &r.Data)
	if errors.Is(err, pgx.ErrNoRows) {
		return engine.Record{}, nil
	}
	return r, by("postgres", err)
}

func (s *PostgresStore) Write(ctx context.Context, grain string, c engine.Change) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// One row changes, or none: the version is compared by the statement that
		// writes. The row's lock lets a rival wait until this transaction ends.
		statement := `UPDATE grain_states SET version = version + 1, data = $3
			WHERE grain = $1 AND version = $2`
		if c.Expect == 0 {
			statement = `INSERT INTO grain_states (grain, version, data)
				VALUES ($1, $2::bigint + 1, $3) ON CONFLICT DO NOTHING`
		}
		if err := one(ctx, tx, engine.ErrStale, statement, grain, c.Expect, c.Data); err != nil {
			return err
		}
		if c.Effect == "" {
			return nil
		}
		return one(ctx, tx, engine.ErrDone, `INSERT INTO grain_effects (grain, effect, version)
			VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, grain, c.Effect, c.Expect+1)
	})
}

// one runs a statement that changes one row, and returns otherwise when it does
// not. Either rolls the transaction back.
func one(ctx context.Context, tx pgx.Tx, otherwise error, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return by("postgres", err)
	}
	if tag.RowsAffected() == 0 {
		return otherwise
	}
	return nil
}

func (s *PostgresStore) Names(ctx context.Context, kind string, each func(string) error) error {
	rows, err := s.pool.Query(ctx,
		`SELECT grain FROM grain_states WHERE starts_with(grain, $1)`, engine.Key(kind, ""))
	if err != nil {
		return by("postgres", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return by("postgres", err)
	}
	for _, name := range names {
		if err := each(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *PostgresStore) Effects(ctx context.Context, grain string) (n int64, err error) {
	err = s.pool.QueryRow(ctx,
		`SELECT count(*) FROM grain_effects WHERE grain = $1`, grain).Scan(&n)
	return n, by("postgres", err)
}

func (s *PostgresStore) HasEffect(
	ctx context.Context, grain, effect string,
) (there bool, err error) {
	err = s.pool.QueryRow(ctx,
		`SELECT EXISTS (SELECT 1 FROM grain_effects WHERE grain = $1 AND effect = $2)`,
		grain, effect).Scan(&there)
	return there, by("postgres", err)
}
