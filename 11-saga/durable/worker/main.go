// Command worker runs sagas.
package main

import (
	"context"
	"os"

	"course.example/11-saga/durable"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := durable.ReadSettings("worker", os.Args[1:])
	if err != nil {
		return err
	}
	return durable.RunWorker(ctx, settings)
}
