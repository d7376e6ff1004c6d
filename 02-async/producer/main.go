// Command producer calls the consumer in every way that this step is about, and
// draws for each who waited when. It needs no server, and ends by itself.
package main

import (
	"context"
	"os"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	return present(ctx, os.Stdout, settings)
}
