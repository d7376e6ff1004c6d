package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const connectTimeout = 5 * time.Second

// Open returns a pool of connections to the database of the settings. It dials
// nothing yet: a database that is away is an error of the first use.
func Open(ctx context.Context, settings Settings) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(settings.URL)
	if err != nil {
		return nil, usagef("DATABASE_URL: %v", withoutAddress(err))
	}
	config.MaxConns = int32(settings.Connections)
	config.ConnConfig.ConnectTimeout = connectTimeout
	// The only setting that a session begins with: a pooler between us and the server,
	// such as PgBouncer, refuses those that it does not know.
	config.ConnConfig.RuntimeParams["application_name"] = settings.Name
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

// withLease begins a transaction with a lease. A program that hangs, or that the
// network has cut off, still holds its locks: the server cannot tell it from one
// that works. After this long without a word the server ends the session, and the
// messages are free again.
func withLease(settings Settings) pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: fmt.Sprintf(
		`BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d`,
		settings.Lease.Milliseconds())}
}

// withTimeout bounds a conversation with the database. A connection that was cut
// says nothing, for as long as one listens. The caller's wish to stop does not
// end it: what has begun is finished.
func withTimeout(
	ctx context.Context, settings Settings,
) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), settings.Timeout,
		fmt.Errorf("the database did not answer within %s", settings.Timeout))
}

// orStop is withTimeout for what can be left undone: it ends with the caller's wish to stop, too.
func orStop(
	ctx context.Context, settings Settings,
) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, settings.Timeout,
		fmt.Errorf("the database did not answer within %s", settings.Timeout))
}

// explain adds to an error what a reader can do about it.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	switch {
	case errors.As(err, &refused) && refused.Code == "28P01":
		return fmt.Errorf("the database refuses this user and password: "+
			"check DATABASE_URL: %s", refused.Message)
	case errors.As(err, &refused) && refused.Code == "3D000":
		return fmt.Errorf("check the end of DATABASE_URL: %s", refused.Message)
	case refusedParameter(err):
		return fmt.Errorf("a pooler stands before the database and refuses a setting: take it "+
			"out of DATABASE_URL, or name it in PgBouncer's ignore_startup_parameters: %w", err)
	case errors.As(err, &refused) && (refused.Code == "26000" || refused.Code == "42P05"):
		return fmt.Errorf("a pooler stands before the database and gives each transaction "+
			"another session: add default_query_exec_mode=cache_describe to DATABASE_URL: %w", err)
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("no PostgreSQL answers at %s:%d (DATABASE_URL): %w",
			opening.Config.Host, opening.Config.Port, network.Err)
	default:
		return err
	}
}

// withoutAddress strips the address, which may hold a password, from the error
// of a parser that quotes it.
func withoutAddress(err error) error {
	if parsing := new(pgconn.ParseConfigError); errors.As(err, &parsing) {
		if inner := errors.Unwrap(parsing); inner != nil {
			return fmt.Errorf("%w; want postgres://user:password@host:port/database", inner)
		}
	}
	return errors.New("is not an address; want postgres://user:password@host:port/database")
}
