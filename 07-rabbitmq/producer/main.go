// Command producer takes orders over HTTP and publishes them to the broker.
package main

import (
	"context"
	"os"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := rabbitmq.ProducerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	publisher := rabbitmq.NewPublisher(settings)
	counter := shop.Counter{Place: publisher.Publish, Ready: publisher.Ready}

	group, ctx := errgroup.WithContext(ctx)
	// The requests in progress still need the publisher while the server drains.
	needed, done := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return publisher.Run(needed) })
	group.Go(func() error {
		defer done()
		return shop.Serve(ctx, settings.Addr, counter.Handler())
	})
	return group.Wait()
}
