// Command consumer looks for an event, does the order, and looks again.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	db, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := outbox.Migrate(ctx, db); err != nil {
		return err
	}
	shop.Ready(ctx)

	for {
		order, err := takeOne(ctx, db)
		if errors.Is(err, pgx.ErrNoRows) {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		shop.Processed(ctx, order.ID) // after the commit: now it is true
	}
}

// takeOne does one order in one transaction. Whoever dies in it gives everything back.
func takeOne(ctx context.Context, db *pgxpool.Pool) (order shop.Order, err error) {
	return order, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `SELECT id, body FROM outbox ORDER BY id LIMIT 1
			FOR UPDATE SKIP LOCKED`).Scan(&id, &order)
		if err != nil {
			return err
		}
		shop.Received(ctx, order.ID, 1)
		if err := shop.Work(ctx, order, 10*time.Millisecond); err != nil {
			return err
		}
		for _, item := range order.Items { // last, because others wait for these rows
			_, err := tx.Exec(ctx, `INSERT INTO stock (sku, reserved) VALUES ($1, $2)
				ON CONFLICT (sku) DO UPDATE SET reserved = stock.reserved + $2`,
				item.SKU, item.Quantity)
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id = $1`, id)
		return err
	})
}
