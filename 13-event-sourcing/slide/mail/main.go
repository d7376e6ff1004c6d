// Command mail is the slide's: it reads the log from where it was, and sends a letter for each order.
package main

import (
	"context"
	"os"
	"time"

	eventsourcing "course.example/13-event-sourcing"
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
	if err := eventsourcing.Migrate(ctx, db); err != nil { // the tables
		return err
	}
	shop.Ready(ctx)

	for {
		rows, err := db.Query(ctx, `SELECT position, stream::text, type, body FROM events
			WHERE position > (SELECT max(position) FROM checkpoints WHERE projection = 'mail')
			ORDER BY position`)
		if err != nil {
			return err
		}
		var position int64
		var order, kind string
		var placed shop.Order
		_, err = pgx.ForEachRow(rows, []any{&position, &order, &kind, &placed}, func() error {
			if kind != "order-placed" {
				return nil
			}
			shop.Received(ctx, order, 1)
			if err := shop.Work(ctx, placed, 20*time.Millisecond); err != nil {
				return err
			}
			_, err := db.Exec(ctx, `INSERT INTO letters VALUES (gen_random_uuid(), $1)`, order)
			shop.Processed(ctx, order)
			return err
		})
		if err == nil {
			_, err = db.Exec(ctx, `UPDATE checkpoints c SET position = e.position, txid = e.txid
				FROM events e WHERE projection = 'mail' AND e.position = $1`, position)
		}
		if err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
