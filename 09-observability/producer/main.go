// Command producer takes orders over HTTP and publishes them.
package main

import (
	"context"
	"errors"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	s, err := observability.ReadSettings("producer", os.Args[1:])
	if err != nil {
		return err
	}
	telemetry, err := observability.StartTelemetry(ctx, "producer", s)
	if err != nil {
		return err
	}
	defer telemetry.Stop() // the last of all: the drain is worth seeing too
	broker := observability.Connect(s)
	defer func() { err = errors.Join(err, broker.Close()) }()
	return shop.Serve(ctx, s.Addr, observability.NewProducer(broker, telemetry).Handler())
}
