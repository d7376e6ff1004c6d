package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Book is what the database knows of the orders, all of one moment. Each accepted order
// is processed, failed, open or lost.
type Book struct {
	Accepted   int `json:"accepted"`   // rows in orders
	Processed  int `json:"processed"`  // orders that had their effect
	Failed     int `json:"failed"`     // parked with their error
	Open       int `json:"open"`       // still to be done
	Lost       int `json:"lost"`       // without a message and without an effect
	Duplicated int `json:"duplicated"` // effects beyond an order's first, see bookSQL
}

// bookSQL takes an order for processed when its message is gone and pieces are set aside
// for it. The inbox would say it more simply, but a wrong variant has none, and
// housekeeping removes its rows.
//
// An order whose message is gone may never have had one (dual-write), or never an effect
// (mark-before-work): then pieces are missing in the stock. Pieces too many are effects
// that came twice. Both are counted in orders of the average size, which is exact where
// all orders are alike, as those of the lab are.
const bookSQL = `
	WITH pieces AS (
		SELECT id, sum((item ->> 'quantity')::bigint) AS n
		FROM orders, jsonb_array_elements(items) item GROUP BY id
	), waiting AS (
		SELECT DISTINCT order_id AS id, dead_at IS NOT NULL AS dead FROM outbox
		WHERE order_id IN (SELECT id FROM orders)
		  AND order_id NOT IN (SELECT order_id FROM inbox)
	), counted AS (
		SELECT count(*) AS accepted,
			count(*) FILTER (WHERE dead) AS failed,
			count(*) FILTER (WHERE NOT dead) AS open,
			count(*) FILTER (WHERE dead IS NULL) AS gone,
			coalesce(sum(n) FILTER (WHERE dead IS NULL), 0) AS due,
			coalesce(avg(n), 1) AS size,
			(SELECT coalesce(sum(reserved), 0) FROM stock) AS reserved
		FROM pieces LEFT JOIN waiting USING (id)
	)
	SELECT accepted, failed, open,
		gone - round(greatest(due - reserved, 0) / size)::bigint AS processed,
		round(greatest(due - reserved, 0) / size)::bigint AS lost,
		round(greatest(reserved - due, 0) / size)::bigint AS duplicated
	FROM counted`

// readingTime bounds the reading of a book with millions of orders.
const readingTime = time.Minute

// ReadBook reads it. What is being committed meanwhile is not in it.
func ReadBook(ctx context.Context, pool *pgxpool.Pool) (Book, error) {
	ctx, cancel := context.WithTimeout(ctx, readingTime)
	defer cancel()
	rows, err := pool.Query(ctx, bookSQL)
	if err != nil {
		return Book{}, fmt.Errorf("read the book: %w", explain(err))
	}
	book, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[Book])
	if err != nil {
		return Book{}, fmt.Errorf("read the book: %w", explain(err))
	}
	return book, nil
}
