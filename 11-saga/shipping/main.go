// Command shipping sends parcels and calls them back.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := saga.ReadSettings("shipping", os.Args[1:])
	if err != nil {
		return err
	}
	return saga.RunService(ctx, settings, saga.Shipping())
}
