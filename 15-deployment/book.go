package deployment

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Book is what the database knows of the orders, all of one moment.
type Book struct {
	Accepted   int `json:"accepted"`   // rows in orders
	Processed  int `json:"processed"`  // orders whose letter was sent
	Failed     int `json:"failed"`     // given up, with the reason
	Lost       int `json:"lost"`       // done, and no letter was sent
	Duplicated int `json:"duplicated"` // letters beyond an order's first
}

const bookSQL = `
	WITH sent AS (SELECT order_id, count(*) AS letters FROM mails GROUP BY order_id)
	SELECT count(*) AS accepted,
		count(letters) AS processed,
		count(failure) AS failed,
		count(*) FILTER (WHERE done_at IS NOT NULL AND failure IS NULL AND letters IS NULL) AS lost,
		coalesce(sum(letters - 1), 0)::bigint AS duplicated
	FROM orders LEFT JOIN sent ON order_id = id`

// ReadBook reads it. What is being committed meanwhile is not in it.
func ReadBook(ctx context.Context, pool *pgxpool.Pool) (Book, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rows, err := pool.Query(ctx, bookSQL)
	if err != nil {
		return Book{}, fmt.Errorf("read the book: %w", err)
	}
	book, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[Book])
	if err != nil {
		return Book{}, fmt.Errorf("read the book: %w", err)
	}
	return book, nil
}
