package eventsourcing

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// How a projector is kept from passing over an event that is committed late.
const (
	// orderSnapshot: producers do nothing, and projectors stay behind the oldest
	// transaction that is still open.
	orderSnapshot = "snapshot"
	// orderLock: producers stand in line, so that positions are committed in their order.
	// A projector reads everything at once, and appends wait for each other.
	orderLock = "lock"
)

const appendKey = 13_0002 // an advisory lock: a number that one transaction holds at a time

// inLine is how a projector reads what producers have written one after the other: all of it.
var inLine = order{after: `(e.txid, e.position) > (c.txid, c.position)`, by: inOrder.by}

// inserter returns how rows are written: by one statement that is a transaction by itself,
// unless a setting wants more.
func (p *Producer) inserter() func(context.Context, *rows) (map[[16]byte]Place, error) {
	switch {
	case p.settings.Hold > 0:
		return p.insertSlowly
	case p.settings.Order == orderLock:
		return p.insertLocked
	}
	return func(ctx context.Context, r *rows) (map[[16]byte]Place, error) {
		return insert(ctx, p.pool, r)
	}
}

// insertLocked takes the lock, and then its positions: two statements, sent together, in
// one transaction. The lock ends with it.
func (p *Producer) insertLocked(
	ctx context.Context, r *rows,
) (places map[[16]byte]Place, err error) {
	b := &pgx.Batch{}
	b.Queue(`SELECT pg_advisory_xact_lock($1)`, appendKey)
	b.Queue(appendSQL, r.args()...).Query(func(result pgx.Rows) error {
		places, err = collectPlaces(result)
		return err
	})
	return places, p.pool.SendBatch(ctx, b).Close()
}

// insertSlowly is a fault for experiments: in every fourth append the server is slow
// between the row and its commit, as with a disk that hangs or a page that is not in memory.
// Appends that come later are committed earlier.
func (p *Producer) insertSlowly(ctx context.Context, r *rows) (map[[16]byte]Place, error) {
	var places map[[16]byte]Place
	err := pgx.BeginTxFunc(ctx, p.pool, withLease(p.settings), func(tx pgx.Tx) (err error) {
		if p.settings.Order == orderLock {
			if _, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, appendKey); err != nil {
				return err
			}
		}
		if places, err = insert(ctx, tx, r); err != nil {
			return err
		}
		if p.held.Add(1)%4 == 0 {
			_, err = tx.Exec(ctx, `SELECT pg_sleep($1)`, p.settings.Hold.Seconds())
		}
		return err
	})
	return places, err
}
