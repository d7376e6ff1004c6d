package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const retryAfter = time.Second

// errUnknown marks an order of which nobody knows whether it was taken: it was
// sent to the database, and no answer came.
var errUnknown = errors.New("nobody knows whether the order was taken")

// Producer writes orders into the database, each with the message about it. All
// methods are safe for concurrent use.
type Producer struct {
	pool     *pgxpool.Pool
	settings Settings
	migrated atomic.Bool
	group    groupCommit
	bell     bell
	place    func(context.Context, entry) error // what a wrong variant changes
}

// NewProducer returns a producer that uses the pool, which stays the caller's.
func NewProducer(pool *pgxpool.Pool, settings Settings) *Producer {
	p := &Producer{pool: pool, settings: settings}
	p.bell.notify = p.notify
	p.group = groupCommit{
		writers: make(chan struct{}, settings.Writers),
		waiting: make(chan entry), most: settings.Group, write: p.writeBatch,
	}
	p.place = p.group.place
	if change := variants[settings.Variant].producer; change != nil {
		change(p)
	}
	return p
}

// Place returns nil once the order and its message are on the database's disk. It
// answers within twice Settings.Timeout. The error is a [shop.Unavailable] if
// nothing was written; status 422 says that the database can never take this order,
// and 504 that it may have taken it.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	mine, err := newEntry(order)
	if err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	err = p.place(ctx, mine)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("order %s: %w", order.ID, explain(err))
	switch {
	case errors.Is(err, errUnknown):
		return shop.Rejected(err, http.StatusGatewayTimeout)
	case badData(err):
		return shop.Rejected(err, http.StatusUnprocessableEntity)
	default:
		return shop.Unavailable(err, retryAfter)
	}
}

func newEntry(order shop.Order) (entry, error) {
	id, err := shop.ParseID(order.ID)
	if err != nil {
		return entry{}, fmt.Errorf("order %q: %w", order.ID, err)
	}
	body, err := json.Marshal(order)
	if err != nil {
		return entry{}, fmt.Errorf("order %s: encode the event: %w", order.ID, err)
	}
	return entry{id, order, body, make(chan error, 1)}, nil
}

// writeBatch writes the orders and answers their customers. If the database refuses
// what one of them brought, that must not be the others' loss: then each is written
// by itself.
func (p *Producer) writeBatch(batch []entry) {
	ctx, cancel := withTimeout(context.Background(), p.settings)
	defer cancel()
	p.settings.crash.at(beforeWrite)
	err := p.write(ctx, batch)
	p.settings.crash.at(afterWrite)
	for i := range batch {
		if len(batch) > 1 && badData(err) {
			batch[i].done <- p.write(ctx, batch[i:i+1])
		} else {
			batch[i].done <- err
		}
	}
}

// placeSQL is the transactional outbox: for each order two rows in two tables, all
// in one statement, and so in one transaction. There is no moment at which one is
// there without the other, and nothing that a crash could leave half done.
const placeSQL = `
	WITH placed AS (
		SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::bigint[], $5::timestamptz[])
		AS placed (id, email, body, total, at)
	), booked AS (
		INSERT INTO orders (id, user_email, items, total_cents, placed_at)
		SELECT id, email, body -> 'items', total, at FROM placed
	)
	INSERT INTO outbox (order_id, customer, event, version, body)
	SELECT id, email, $6, $7, body FROM placed`

// write returns nil when all orders are committed. Then the bell will ring.
func (p *Producer) write(ctx context.Context, batch []entry) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err = conn.Exec(ctx, placeSQL, columns(batch)...); err == nil {
		p.bell.ring()
		return nil
	}
	if !refused(err) {
		err = fmt.Errorf("%w: %w", errUnknown, err)
	}
	return fmt.Errorf("write the order and its message: %w", err)
}

// columns are the parameters of placeSQL.
func columns(batch []entry) []any {
	n := len(batch)
	ids, emails, bodies := make([][16]byte, n), make([]string, n), make([][]byte, n)
	totals, times := make([]int64, n), make([]time.Time, n)
	for i, e := range batch {
		ids[i], emails[i], bodies[i] = e.id, e.order.UserEmail, e.body
		totals[i], times[i] = e.order.TotalCents(), e.order.PlacedAt
	}
	return []any{ids, emails, bodies, totals, times, OrderPlacedV1.Name, OrderPlacedV1.Version}
}

// Ready returns why no order can be accepted now, or nil.
func (p *Producer) Ready(ctx context.Context) error {
	if !p.migrated.Load() {
		return errors.New("the tables are not there yet")
	}
	// Who asks for our health waits no longer than who places an order.
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	return explain(p.tryInsert(ctx))
}

// tryInsert writes an order and takes it back. A server that answers a ping may still
// take no order: its disk is full, or it is a standby, or a right is missing.
func (p *Producer) tryInsert(ctx context.Context) error {
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		return err
	}
	sample, err := newEntry(order)
	if err != nil {
		return err
	}
	tx, err := p.pool.BeginTx(ctx, withLease(p.settings))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, placeSQL, columns([]entry{sample})...)
	return errors.Join(err, tx.Rollback(ctx))
}

// Prepare creates the tables, however long the database lets it wait. It returns an
// error when waiting cannot help.
func (p *Producer) Prepare(ctx context.Context) error {
	err := prepare(ctx, p.pool)
	p.migrated.Store(err == nil)
	return err
}

// migrateTimeout bounds one attempt to create the tables, and the wait for another
// program that is at it.
const migrateTimeout = time.Minute

// prepare migrates as soon as there is a database to migrate.
func prepare(ctx context.Context, pool *pgxpool.Pool) error {
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
	_, err := backoff.Retry(ctx, attempt,
		backoff.WithBackOff(pauses()),
		backoff.WithMaxElapsedTime(0), // forever
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
