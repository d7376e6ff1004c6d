package skew

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema are the tables: who is on call in which shift. The shifts themselves are there
// only to be locked (the materialised conflict).
const Schema = `
	CREATE TABLE IF NOT EXISTS shifts (id integer PRIMARY KEY);
	CREATE TABLE IF NOT EXISTS doctors (
		shift   integer NOT NULL REFERENCES shifts,
		name    text NOT NULL,
		on_call boolean NOT NULL,
		PRIMARY KEY (shift, name))`

// Begin puts Alice and Bob on call in a shift.
func Begin(ctx context.Context, pool *pgxpool.Pool, shift int) error {
	_, err := pool.Exec(ctx, `
		WITH new AS (INSERT INTO shifts VALUES ($1) ON CONFLICT DO NOTHING)
		INSERT INTO doctors VALUES ($1, 'Alice', true), ($1, 'Bob', true)
		ON CONFLICT (shift, name) DO UPDATE SET on_call = true`, shift)
	if err != nil {
		return fmt.Errorf("put Alice and Bob on call: %w", err)
	}
	return nil
}

// ErrStay is the answer to the last doctor on call.
var ErrStay = errors.New("nobody else is on call")

// Leave takes a doctor off call if another one stays, and returns [ErrStay] if not. A
// transaction that the database has given up is tried again, all of it: what it has read
// is not true any more. It returns how often that was.
func (w Way) Leave(
	ctx context.Context, pool *pgxpool.Pool, shift int, name string,
) (retries int, err error) {
	return w.leave(ctx, pool, shift, name, func(*pgx.Conn) {}, func() {})
}

const maxRetries = 10

// leave calls begun before a try reads, and looked between what it reads and what it writes.
func (w Way) leave(
	ctx context.Context, pool *pgxpool.Pool, shift int, name string,
	begun func(*pgx.Conn), looked func(),
) (retries int, err error) {
	for {
		err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: w.Level}, func(tx pgx.Tx) error {
			begun(tx.Conn())
			return w.try(ctx, tx, shift, name, looked)
		})
		if !givenUp(err) || retries == maxRetries {
			return retries, err
		}
		retries++
		// Two who come back at once fail each other again.
		select {
		case <-time.After(rand.N(time.Millisecond << retries)):
		case <-ctx.Done():
			return retries, err
		}
	}
}

// try looks, decides, and writes. Each is right by itself; what was seen may be no longer
// true when it is written.
func (w Way) try(ctx context.Context, tx pgx.Tx, shift int, name string, looked func()) error {
	if w.Lock != "" {
		if _, err := tx.Exec(ctx, w.Lock, shift); err != nil {
			return fmt.Errorf("lock for %s: %w", name, err)
		}
	}
	var others int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM doctors
		WHERE shift = $1 AND on_call AND name <> $2`, shift, name).Scan(&others)
	if err != nil {
		return fmt.Errorf("count who is on call besides %s: %w", name, err)
	}
	looked()
	if others == 0 {
		return ErrStay
	}
	_, err = tx.Exec(ctx,
		`UPDATE doctors SET on_call = false WHERE shift = $1 AND name = $2`, shift, name)
	if err != nil {
		return fmt.Errorf("let %s go: %w", name, err)
	}
	return nil
}

// givenUp says whether the database has ended a transaction that may succeed when it is
// tried again: a serialization failure or a deadlock (PostgreSQL's manual, 13.5).
func givenUp(err error) bool {
	answer := new(pgconn.PgError)
	return errors.As(err, &answer) && (answer.Code == "40001" || answer.Code == "40P01")
}
