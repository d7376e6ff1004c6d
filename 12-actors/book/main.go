// Command book prints what the store knows of the orders, as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"os"

	actors "course.example/12-actors"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := actors.SiloSettings(os.Args[1:])
	if err != nil {
		return err
	}
	book, err := actors.ReadBook(ctx, settings)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(book)
}
