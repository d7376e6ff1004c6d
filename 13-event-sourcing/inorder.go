package eventsourcing

import (
	"context"
	"log/slog"
	"time"

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
// Appends that come later are committed earlier, and projectors come by.
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
		// One at a time: the other writers go on meanwhile, and overtake it.
		if p.held.Add(1)%4 == 0 && p.holding.TryLock() {
			defer p.holding.Unlock()
			err = p.hold(ctx, tx, places)
		}
		return err
	})
	return places, err
}

// hold keeps a transaction open until every projection has passed it by: what it has written
// has a position behind which all of them are. Where projectors do not do that, it ends after
// Settings.Hold. A fixed time would leave it to chance whether somebody looks meanwhile.
func (p *Producer) hold(ctx context.Context, tx pgx.Tx, places map[[16]byte]Place) error {
	var mine int64
	for _, place := range places {
		mine = max(mine, place.Position)
	}
	overtaken, passed := false, false
	for began := time.Now(); !passed && time.Since(began) < p.settings.Hold; {
		err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM events WHERE position > $1),
				(SELECT bool_and(furthest > $1) FROM (SELECT max(position) AS furthest
					FROM checkpoints GROUP BY projection) p)`, mine).Scan(&overtaken, &passed)
		if err != nil {
			return err
		}
		if !sleep(ctx, holdLook) {
			return context.Cause(ctx)
		}
	}
	if overtaken {
		slog.InfoContext(ctx, "a later append was committed first", "overtaken", p.overtaken.Add(1))
	}
	return nil
}

// holdLook is the pause between two looks at who has passed by.
const holdLook = 5 * time.Millisecond
