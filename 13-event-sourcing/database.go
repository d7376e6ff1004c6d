package eventsourcing

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schemaSQL string

const (
	connectTimeout = 5 * time.Second
	// migrateTimeout bounds one attempt to create the tables, and the wait for another
	// program that is at it.
	migrateTimeout = time.Minute
	migrateKey     = 13_0001
)

// querier is a transaction, or the pool.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Open returns a pool of connections to the database of the settings. It dials nothing yet:
// a database that is away is an error of the first use.
func Open(ctx context.Context, settings Settings) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(settings.URL)
	if err != nil {
		return nil, badURL(err)
	}
	config.MaxConns = int32(settings.Connections)
	config.ConnConfig.ConnectTimeout = connectTimeout
	// The only setting that a session begins with: a pooler between us and the server, such
	// as PgBouncer, refuses those that it does not know.
	config.ConnConfig.RuntimeParams["application_name"] = settings.Name
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

// withLease begins a transaction with a lease. A program that hangs, or that the network
// has cut off, still holds its locks. After this long without a word the server ends the
// session. It is said in each transaction: behind a pooler a session is not ours.
func withLease(s Settings) pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: fmt.Sprintf(
		`BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d`, s.Lease.Milliseconds())}
}

// withTimeout bounds a conversation with the database. A connection that was cut says
// nothing, for as long as one listens. The caller's wish to stop does not end it: what has
// begun is finished.
func withTimeout(ctx context.Context, s Settings) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), s.Timeout, silence(s.Timeout))
}

// silence says for how long the database did not answer. It becomes a text only if somebody
// wants to read it: each command has one.
type silence time.Duration

func (s silence) Error() string {
	return fmt.Sprintf("the database did not answer within %s", time.Duration(s))
}

// Migrate creates the tables that are not there yet. All programs do it as they start, and
// the advisory lock lets them do it one after the other.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrateKey); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schemaSQL)
		return err
	})
	if err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	return nil
}

// Prepare migrates as soon as there is a database to migrate. It returns an error when
// waiting cannot help.
func Prepare(ctx context.Context, pool *pgxpool.Pool) error {
	attempt := func() (struct{}, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, migrateTimeout,
			fmt.Errorf("the tables were not there within %s", migrateTimeout))
		defer cancel()
		err := Migrate(ctx, pool)
		if badSetup(err) {
			return struct{}{}, backoff.Permanent(explain(err))
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(pauses()),
		backoff.WithMaxElapsedTime(0), // forever
		backoff.WithNotify(func(err error, pause time.Duration) {
			slog.WarnContext(ctx, "not ready", "reason", explain(err),
				"next_try_in", pause.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// pauses between attempts to reach a database that is away: doubled up to two seconds, and
// random by half, so that a hundred programs that have lost the same database do not come
// back in the same instant.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second,
		Multiplier: 2, RandomizationFactor: 0.5,
	}
}

// sleep waits, and tells whether it did so to the end: ctx may end first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// badData tells whether Postgres has looked at the data and can never take them. The first
// two characters of its code say so (PostgreSQL's manual, appendix A).
func badData(err error) bool {
	switch class(err) {
	case "22", "23", // not such a value; not beside what is there
		"44", "54", // not in this view; larger than any row may be
		"P0": // refused by a trigger
		return true
	}
	return false
}

// badSetup tells whether a person must change something before it can work: who, which
// database, which schema, no such table, no right to it, a pooler's refusal.
func badSetup(err error) bool {
	switch class(err) {
	case "28", "3D", "3F", "42", "0A", "26":
		return true
	}
	return refusedParameter(err)
}

// refused tells whether the database has not taken what was sent: it said so, or it was
// never sent. After any other error the outcome is unknown. A session that is ended (FATAL)
// may have committed just before.
func refused(err error) bool {
	answer, opening := new(pgconn.PgError), new(pgconn.ConnectError)
	if errors.As(err, &opening) || pgconn.SafeToRetry(err) {
		return true
	}
	return errors.As(err, &answer) && answer.Severity == "ERROR"
}

func class(err error) string {
	answer := new(pgconn.PgError)
	if errors.As(err, &answer) && len(answer.Code) == 5 {
		return answer.Code[:2]
	}
	return ""
}

// refusedParameter tells whether a pooler refuses a setting that a session begins with.
func refusedParameter(err error) bool {
	answer := new(pgconn.PgError)
	return errors.As(err, &answer) && answer.Code == "08P01" &&
		strings.Contains(answer.Message, "startup parameter")
}

// explain adds to an error what a reader can do about it.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	switch {
	case errors.As(err, &refused) && refused.Code == "28P01":
		return fmt.Errorf("the database refuses this user and password: check DATABASE_URL: %w",
			refused)
	case errors.As(err, &refused) && refused.Code == "3D000":
		return fmt.Errorf("check the end of DATABASE_URL: %w", refused)
	case refusedParameter(err):
		return fmt.Errorf("a pooler stands before the database and refuses a setting: take it "+
			"out of DATABASE_URL, or name it in PgBouncer's ignore_startup_parameters: %w", err)
	case errors.As(err, &refused) && (refused.Code == "26000" || refused.Code == "42P05"):
		return fmt.Errorf("a pooler stands before the database and gives each transaction "+
			"another session: add default_query_exec_mode=cache_describe to DATABASE_URL: %w", err)
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("no PostgreSQL answers at %s:%d (DATABASE_URL): %w",
			opening.Config.Host, opening.Config.Port, network.Err)
	}
	return err
}

// reason is an error as it is stored and logged: cut, and without the one character that
// Postgres takes in no text. What an error quotes of a body may have brought both.
func reason(err error) string {
	return strings.ReplaceAll(shop.Reason(err), "\x00", "?")
}

// badURL says what is wrong with the address, which may hold a password, without it.
func badURL(err error) error {
	const want = "want postgres://user:password@host:port/database"
	if parsing := new(pgconn.ParseConfigError); errors.As(err, &parsing) {
		if inner := errors.Unwrap(parsing); inner != nil {
			return usagef("DATABASE_URL: %v; %s", inner, want)
		}
	}
	return usagef("DATABASE_URL is not an address; %s", want)
}
