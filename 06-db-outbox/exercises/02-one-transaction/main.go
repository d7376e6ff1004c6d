// Command producer makes a row of every order, and one of the event about it.
package main

import (
	"context"
	"os"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	db, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := outbox.Migrate(ctx, db); err != nil { // the tables
		return err
	}

	place := func(ctx context.Context, order shop.Order) error {
		_, err := db.Exec(ctx, `
			INSERT INTO orders (id, user_email, items, total_cents, placed_at)
			VALUES ($1, $2, $3, $4, $5)`,
			order.ID, order.UserEmail, order.Items, order.TotalCents(), order.PlacedAt)
		if err != nil {
			return err
		}
		_, err = db.Exec(ctx, `
			INSERT INTO outbox (order_id, event, version, body)
			VALUES ($1, 'order.placed', 1, $2)`, order.ID, order)
		return err
	}
	counter := shop.Counter{Place: place} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}
