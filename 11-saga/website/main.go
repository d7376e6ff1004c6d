// Command website takes orders over HTTP and shows how far they are.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := saga.ReadSettings("website", os.Args[1:])
	if err != nil {
		return err
	}
	return saga.RunWebsite(ctx, settings)
}
