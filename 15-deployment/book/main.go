// Command book prints what the database knows of the orders, as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"os"

	deployment "course.example/15-deployment"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := deployment.BookSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := deployment.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	book, err := deployment.ReadBook(ctx, pool)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(book)
}
