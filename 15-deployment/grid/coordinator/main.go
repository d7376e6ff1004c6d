// Command coordinator gives units of work to the workers that ask for them.
package main

import (
	"context"
	"errors"
	"os"

	"course.example/15-deployment/grid"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := grid.ParseCoordinator(os.Args[1:])
	if err != nil {
		return err
	}
	coordinator, journal, err := grid.Open(settings.Journal, settings.Rules)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	return shop.Serve(ctx, settings.Addr, coordinator.Handler())
}
