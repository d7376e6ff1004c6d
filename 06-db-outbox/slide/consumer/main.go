// Command consumer is the slide's: it looks for an event, does the order, and looks again.
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
		var id int64
		var order shop.Order
		err := db.QueryRow(ctx, `SELECT id, body FROM outbox ORDER BY id LIMIT 1`).Scan(&id, &order)
		if errors.Is(err, pgx.ErrNoRows) {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		shop.Received(ctx, order.ID, 1)
		for _, item := range order.Items {
			_, err := db.Exec(ctx, `INSERT INTO stock (sku, reserved) VALUES ($1, $2)
				ON CONFLICT (sku) DO UPDATE SET reserved = stock.reserved + $2`,
				item.SKU, item.Quantity)
			if err != nil {
				return err
			}
		}
		if err := shop.Work(ctx, order, 10*time.Millisecond); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		if _, err := db.Exec(ctx, `DELETE FROM outbox WHERE id = $1`, id); err != nil {
			return err
		}
	}
}
