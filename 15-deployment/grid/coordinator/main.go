// Command coordinator gives units of work to the workers that ask for them.
package main

import (
	"context"
	"os"

	"course.example/15-deployment/grid"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	addr, rules, err := grid.ParseCoordinator(os.Args[1:])
	if err != nil {
		return err
	}
	return shop.Serve(ctx, addr, grid.NewCoordinator(rules).Handler())
}
