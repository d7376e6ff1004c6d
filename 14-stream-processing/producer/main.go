// Command producer takes orders over HTTP and appends them to the log.
package main

import (
	"context"
	"os"

	streams "course.example/14-stream-processing"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := streams.DefaultSettings()
	if err := settings.Read("producer", os.Args[1:]); err != nil {
		return err
	}
	log, err := streams.OpenLog(settings)
	if err != nil {
		return err
	}
	defer log.Close()
	producer := streams.NewProducer(log, settings)
	defer producer.Close()
	counter := shop.Counter{Place: producer.Place, Ready: producer.Ready}
	return shop.Serve(ctx, settings.Addr, counter.Handler())
}
