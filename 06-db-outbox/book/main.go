// Command book prints what the database knows of the orders, as one line of JSON. It is
// the truth about a run, whatever the programs have said in their logs.
package main

import (
	"context"
	"encoding/json"
	"os"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := outbox.DefaultSettings()
	if err := settings.Flags("book").Parse(os.Args[1:]); err != nil {
		return err
	}
	if err := settings.Validate(); err != nil {
		return err
	}
	pool, err := outbox.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	book, err := outbox.ReadBook(ctx, pool)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(book)
}
