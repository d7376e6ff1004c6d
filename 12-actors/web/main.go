// Command web takes orders over HTTP and calls their grains.
package main

import (
	"context"
	"os"

	actors "course.example/12-actors"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := actors.WebSettings(os.Args[1:])
	if err != nil {
		return err
	}
	return actors.RunWeb(ctx, settings)
}
