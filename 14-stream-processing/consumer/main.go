// Command consumer reads its share of the log and keeps the sums of the windows. Start it as often as
// there are partitions: all of one group share them.
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
	if err := settings.Read("consumer", os.Args[1:]); err != nil {
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
	pack := func(ctx context.Context, order shop.Order) error {
		return shop.Work(ctx, order, settings.Work)
	}
	return streams.NewConsumer(log, pool, settings, pack).Run(ctx)
}
