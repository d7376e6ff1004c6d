package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// open is what makes a message in the outbox one that is still to be done. What
// is done is in another table.
const open = `dead_at IS NULL`

// selectOpen finds the oldest messages that are to be done. What a way adds to it
// is what this step is about.
const selectOpen = `
	SELECT id, event, version, body, attempts, row_version FROM outbox
	WHERE ` + open + ` AND not_before <= now() AND id >= $2
	ORDER BY id LIMIT $1`

// selectInOrder finds only messages of customers who have no older one that is
// open. What is locked by another consumer is open still: its customer waits.
const selectInOrder = `
	SELECT id, event, version, body, attempts, row_version FROM outbox
	WHERE ` + open + ` AND not_before <= now() AND id >= $2 AND NOT EXISTS (
		SELECT FROM outbox older
		WHERE older.customer = outbox.customer AND older.id < outbox.id
		  AND older.dead_at IS NULL)
	ORDER BY id LIMIT $1`

func (w *worker) selectMessages() string {
	if w.settings.PerCustomer {
		return selectInOrder
	}
	return selectOpen
}

// querier is a transaction, or the pool.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (w *worker) take(
	ctx context.Context, db querier, query string, limit int,
) ([]Message, error) {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	rows, err := db.Query(ctx, query, limit, w.searchFrom())
	if err != nil {
		return nil, fmt.Errorf("take messages: %w", err)
	}
	messages, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Message, err error) {
		err = row.Scan(&m.ID, &m.Kind.Name, &m.Kind.Version, &m.Body, &m.Attempts, &m.RowVersion)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("take messages: %w", err)
	}
	w.from = 0
	if len(messages) > 0 {
		w.from = max(0, messages[0].ID-searchBack)
	}
	return messages, nil
}

// The search for the oldest message passes over the entries that done ones have left
// in the index, until a vacuum removes them; and none can while an old snapshot is
// held, by a backup say. In a long drain that is nearly all of the search. So it
// begins a little before the last batch, and with the oldest of all once a second,
// for those that are free again and those that were committed late.
const (
	searchAll  = time.Second
	searchBack = 10_000 // messages: many more than all producers have uncommitted
)

func (w *worker) searchFrom() int64 {
	if w.from == 0 || time.Since(w.looked) >= searchAll {
		w.looked = time.Now()
		return 0
	}
	return w.from
}
