package lock

import "context"

// Book is what became of the orders, as the account has written it down. The log of a
// program that was killed may lack its last line; the account lacks nothing.
type Book struct {
	Accepted   int `json:"accepted"`   // orders that the account was told of
	Processed  int `json:"processed"`  // of them, billed
	Failed     int `json:"failed"`     // of them, given up
	Lost       int `json:"lost"`       // of them, neither: at the end of a run, lost
	Duplicated int `json:"duplicated"` // bills beyond an order's first
}

// Audit adds up the account's pages.
func (a *Account) Audit(ctx context.Context) (b Book, err error) {
	err = a.inTime(ctx, func(ctx context.Context) error {
		return a.pool.QueryRow(ctx, `
			WITH pages AS (SELECT o.settled, count(*) FILTER (WHERE s.billed) AS bills
				FROM orders o LEFT JOIN stays s ON s.order_id = o.id GROUP BY o.id)
			SELECT count(*), count(*) FILTER (WHERE bills > 0),
				count(*) FILTER (WHERE bills = 0 AND settled),
				count(*) FILTER (WHERE bills = 0 AND NOT settled),
				coalesce(sum(bills - 1) FILTER (WHERE bills > 0), 0) FROM pages`,
		).Scan(&b.Accepted, &b.Processed, &b.Failed, &b.Lost, &b.Duplicated)
	})
	return b, err
}
