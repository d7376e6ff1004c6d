package saga

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
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

// databaseTimeout bounds a transaction: a connection that was cut says nothing,
// for as long as one listens.
const databaseTimeout = 5 * time.Second

// openDatabase returns a pool of connections for one of the programs.
func openDatabase(ctx context.Context, s Settings, name string) (*pgxpool.Pool, error) {
	return OpenDatabase(ctx, s, name, connections)
}

// OpenDatabase returns a pool of up to so many connections, under a name for the server's
// administrators, and creates the tables where they are missing. It waits for a server that is
// away until ctx ends. A setting that cannot work is a [*shop.UsageError].
func OpenDatabase(
	ctx context.Context, s Settings, name string, connections int32,
) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.DatabaseURL)
	if err != nil {
		return nil, usagef("DATABASE_URL is not an address of a database; " +
			"want postgres://user:password@host:port/database")
	}
	config.MaxConns = connections
	config.ConnConfig.ConnectTimeout = databaseTimeout
	config.ConnConfig.RuntimeParams["application_name"] = name
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	if err := retry(ctx, "create the tables", wrongSetting, func(ctx context.Context) error {
		return migrate(ctx, pool)
	}); err != nil {
		shop.Close("the database", pool.Close)
		return nil, err
	}
	return pool, nil
}

// connections are enough for the batch in progress, the relay, the deadlines, and pages.
const connections = 6

// beginIn begins a transaction that sees the schema of one program and no other:
// that is what keeps services from reading each other's tables. A process that
// hangs, or that the network has cut off, holds its locks no longer than ten
// seconds. Both are said anew in each transaction, in the message that begins it: a
// pooler such as PgBouncer refuses them for the connection as a whole.
func beginIn(schema string) pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL search_path = " + schema +
		"; SET LOCAL idle_in_transaction_session_timeout = '10s'"}
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

// retry waits for a server that is away: it does something until it succeeds, until
// it fails in a way that never will, or until ctx ends.
func retry(
	ctx context.Context, what string, permanent func(error) bool, do func(context.Context) error,
) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 50*time.Millisecond, time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		// What has begun is finished, even while the program drains.
		inTime, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), databaseTimeout,
			fmt.Errorf("no answer within %s", databaseTimeout))
		defer cancel()
		err := explain(do(inTime))
		if err != nil && permanent(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			if errors.Is(err, errConflict) {
				return // somebody else was first: nothing is wrong
			}
			slog.WarnContext(ctx, "trying again", "what", what, "reason", cut(err.Error()),
				"next_try_in", next.Round(time.Millisecond))
		}))
	return err
}

// permanent says that to try again is of no use: the fault is in what was asked,
// not in the state of a server. Whatever is not known to be permanent is tried
// again.
func permanent(err error) bool {
	refused, scan := new(pgconn.PgError), pgx.ScanArgError{}
	switch {
	case errors.As(err, &scan): // what the table has is not what the program knows
		return true
	case !errors.As(err, &refused):
		return false
	case refused.Code == noRights || slices.Contains(unprepared, refused.Code):
		return false // an administrator mends it, and the message is good
	}
	// The classes of SQLSTATE (PostgreSQL's manual, appendix A): a feature that is not
	// there, wrong cardinality, data that cannot be stored, a constraint, a statement
	// that is wrong, a limit of the program.
	return slices.Contains([]string{"0A", "21", "22", "23", "42", "44", "54"}, refused.Code[:2])
}

const noRights = "42501"

// unprepared is what a statement meets that was prepared on another connection.
var unprepared = []string{"26000", "42P05"}

// wrongSetting says that a program need not even begin. Once it runs the same error
// is a server's that is away for a while: somebody changes a password.
func wrongSetting(err error) bool {
	refused := new(pgconn.PgError)
	return errors.As(err, new(*settingError)) || permanent(err) ||
		errors.As(err, &refused) && refused.Code == noRights
}

// settingError is a setting that cannot work, and what to do about it.
type settingError struct{ problem string }

func (e *settingError) Error() string { return e.problem }

// explain adds to an error of the database what a reader can do about it.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	answered := errors.As(err, &refused)
	switch {
	case err == nil:
		return nil
	case answered && refused.Code == "28P01":
		return &settingError{"the database refuses this user and password: " +
			"check DATABASE_URL: " + refused.Message}
	case answered && refused.Code == "3D000":
		return &settingError{"check the end of DATABASE_URL: " + refused.Message}
	case answered && refused.Code == "08P01" && strings.Contains(refused.Message, "startup"):
		return &settingError{"what stands in front of the database (PgBouncer?) refuses a setting: " +
			"take it out of DATABASE_URL, or put it into ignore_startup_parameters: " +
			refused.Message}
	case answered && slices.Contains(unprepared, refused.Code):
		return fmt.Errorf("behind a pooler in transaction mode DATABASE_URL needs "+
			"default_query_exec_mode=exec: %w", err)
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("no PostgreSQL answers at %s:%d (DATABASE_URL): %w",
			opening.Config.Host, opening.Config.Port, network.Err)
	default:
		return err
	}
}
