// Command orchestrator leads the sagas. Start as many as you like.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := saga.ReadSettings("orchestrator", os.Args[1:])
	if err != nil {
		return err
	}
	return saga.RunOrchestrator(ctx, settings)
}
