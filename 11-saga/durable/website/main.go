// Command website takes orders over HTTP and shows how far they are.
package main

import (
	"context"
	"os"

	"course.example/11-saga/durable"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := durable.ReadSettings("website", os.Args[1:])
	if err != nil {
		return err
	}
	return durable.RunWebsite(ctx, settings)
}
