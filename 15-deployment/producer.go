package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const retryAfter = time.Second

// Producer writes orders into the database. Its methods are safe for concurrent use.
type Producer struct {
	pool     *pgxpool.Pool
	settings Settings
	release  Release
}

// NewProducer returns a producer of the settings' version. The pool stays the caller's.
func NewProducer(pool *pgxpool.Pool, settings Settings, release Release) *Producer {
	return &Producer{pool: pool, settings: settings, release: release}
}

// Place returns nil once the order is on the database's disk. The error is a [shop.Unavailable]
// if nothing was written; status 504 says that nobody knows.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	if p.release.spoil != nil {
		if err := p.release.spoil(ctx, order); err != nil {
			return fmt.Errorf("order %s: %w", order.ID, err)
		}
	}
	if !pause(ctx, p.settings.Check) {
		return shop.Unavailable(context.Cause(ctx), retryAfter)
	}
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	conn, err := p.pool.Acquire(ctx)
	if err != nil { // nothing was sent yet
		return shop.Unavailable(fmt.Errorf("order %s: reach the database: %w", order.ID, err),
			retryAfter)
	}
	defer conn.Release()
	_, err = conn.Exec(ctx, p.release.insertSQL(), p.release.row(ctx, order)...)
	if err == nil {
		return nil
	}
	refused := new(pgconn.PgError)
	known := errors.As(err, &refused) || pgconn.SafeToRetry(err)
	err = fmt.Errorf("order %s: write it: %w", order.ID, err)
	if !known {
		return shop.Rejected(fmt.Errorf("nobody knows whether the order was taken: %w", err),
			http.StatusGatewayTimeout)
	}
	return shop.Unavailable(err, retryAfter)
}

// Ready returns why no order can be taken now, or nil. It writes an order and takes it back: the
// tables may be of a version that this release cannot write.
func (p *Producer) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	sample, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		return err
	}
	return tryStatement(ctx, p.pool, p.release.insertSQL(), p.release.row(ctx, sample)...)
}

// tryStatement runs a statement and takes back what it did.
func tryStatement(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	_, err = tx.Exec(ctx, sql, args...)
	return errors.Join(err, tx.Rollback(ctx))
}

// withTimeout bounds a conversation with the database. The caller's wish to stop does not end it:
// what has begun is finished.
func withTimeout(ctx context.Context, s Settings) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), s.Timeout,
		fmt.Errorf("the database did not answer within %s", s.Timeout))
}

// withLease begins a transaction that the server ends when nothing is heard of it for so long.
func withLease(s Settings) pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: fmt.Sprintf(
		`BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d`, s.Lease.Milliseconds())}
}
