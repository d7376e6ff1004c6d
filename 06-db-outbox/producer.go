package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const retryAfter = time.Second

// Producer writes orders into the database, each with the message about it. All
// methods are safe for concurrent use.
type Producer struct {
	pool     *pgxpool.Pool
	settings Settings
	migrated atomic.Bool
	place    func(context.Context, shop.Order) error // what a wrong variant changes
}

// NewProducer returns a producer that uses the pool, which stays the caller's.
func NewProducer(pool *pgxpool.Pool, settings Settings) *Producer {
	p := &Producer{pool: pool, settings: settings}
	p.place = p.placeInOneTransaction
	if change := variants[settings.Variant].producer; change != nil {
		change(p)
	}
	return p
}

// Place returns nil once the order and its message are on the database's disk.
// Any error is a [shop.Unavailable]; after one that came from the commit itself,
// the order may have been taken all the same.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	if err := p.place(ctx, order); err != nil {
		err = fmt.Errorf("order %s: %w", order.ID, explain(err))
		return shop.Unavailable(err, retryAfter)
	}
	return nil
}

// placeInOneTransaction is the transactional outbox: two rows in two tables, and
// one commit for both. There is no moment at which one is there without the
// other, and nothing that a crash could leave half done.
func (p *Producer) placeInOneTransaction(ctx context.Context, order shop.Order) error {
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if err := writeOrder(ctx, tx, order); err != nil {
			return err
		}
		p.settings.crash.at(afterOrder)
		return writeMessage(ctx, tx, order)
	})
}

// execer is a transaction, or the pool, where every statement is one of its own.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func writeOrder(ctx context.Context, db execer, order shop.Order) error {
	items, err := json.Marshal(order.Items)
	if err != nil {
		return fmt.Errorf("encode the items: %w", err)
	}
	_, err = db.Exec(ctx, `
		INSERT INTO orders (id, user_email, items, total_cents, placed_at)
		VALUES ($1, $2, $3, $4, $5)`,
		order.ID, order.UserEmail, items, order.TotalCents(), order.PlacedAt)
	if err != nil {
		return fmt.Errorf("write the order: %w", err)
	}
	return nil
}

// writeMessage writes the message and rings the bell. Postgres delivers a NOTIFY
// when its transaction commits, and never if it does not.
func writeMessage(ctx context.Context, db execer, order shop.Order) error {
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	_, err = db.Exec(ctx, `
		WITH message AS (
			INSERT INTO outbox (order_id, customer, event, version, body)
			VALUES ($1, $2, $3, $4, $5)
		)
		SELECT pg_notify('outbox', '')`,
		order.ID, order.UserEmail, OrderPlacedV1.Name, OrderPlacedV1.Version, body)
	if err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	return nil
}

// Ready returns why no order can be accepted now, or nil.
func (p *Producer) Ready(ctx context.Context) error {
	if !p.migrated.Load() {
		return errors.New("the tables are not there yet")
	}
	// Who asks for our health waits no longer than who places an order.
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.pool.Ping(ctx); err != nil {
		return explain(err)
	}
	return nil
}

// Prepare creates the tables, however long the database lets it wait.
func (p *Producer) Prepare(ctx context.Context) error {
	err := prepare(ctx, p.pool)
	p.migrated.Store(err == nil)
	return err
}

// prepare migrates as soon as there is a database to migrate.
func prepare(ctx context.Context, pool *pgxpool.Pool) error {
	migrate := func() (struct{}, error) { return struct{}{}, Migrate(ctx, pool) }
	_, err := backoff.Retry(ctx, migrate,
		backoff.WithBackOff(pauses()),
		backoff.WithMaxElapsedTime(0), // for ever
		backoff.WithNotify(func(err error, pause time.Duration) {
			slog.WarnContext(ctx, "not ready", "reason", explain(err),
				"next_try_in", pause.Round(time.Millisecond))
		}))
	return err
}

// pauses between attempts to reach a database that is away: doubled up to two
// seconds, and random by half, so that a hundred consumers that have lost the
// same database do not come back in the same instant.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second,
		Multiplier: 2, RandomizationFactor: 0.5,
	}
}
