// Command results serves what the consumers have found out so far.
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
	settings.Addr = "127.0.0.1:8081"
	if err := settings.Read("results", os.Args[1:]); err != nil {
		return err
	}
	log, err := streams.OpenLog(settings)
	if err != nil {
		return err
	}
	defer log.Close()
	pool, err := streams.OpenDatabase(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	results := streams.Results{Log: log, Pool: pool, Settings: settings}
	return shop.Serve(ctx, settings.Addr, results.Handler())
}
