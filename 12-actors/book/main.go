// Command book prints what the store knows of the orders, as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"os"

	actors "course.example/12-actors"
	"course.example/shop"
)

func main() { shop.Main(actors.Program("silo", run)) }

func run(ctx context.Context, settings actors.Settings) error {
	book, err := actors.ReadBook(ctx, settings)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(book)
}
