// Command producer takes orders over HTTP and writes them into the database,
// each with the message about it.
package main

import (
	"context"
	"os"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := outbox.ProducerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := outbox.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	producer := outbox.NewProducer(pool, settings)
	counter := shop.Counter{Place: producer.Place, Ready: producer.Ready}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return producer.Prepare(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, counter.Handler()) })
	return group.Wait()
}
