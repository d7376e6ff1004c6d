// Command silo hosts grains. Start it as often as you like: the grains spread
// over all that there are.
package main

import (
	"context"
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
	return actors.RunSilo(ctx, settings)
}
