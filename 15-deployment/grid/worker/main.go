// Command worker asks the coordinator for units of work. Start it as often as you like, on
// as many machines as you like.
package main

import (
	"context"
	"os"

	"course.example/15-deployment/grid"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	worker, err := grid.ParseWorker(os.Args[1:])
	if err != nil {
		return err
	}
	shop.Ready(ctx)
	return worker.Run(ctx)
}
