// Command consumer takes orders out of the database and does them.
package main

import (
	"context"
	"os"

	deployment "course.example/15-deployment"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, release, err := deployment.ReplicaSettings("consumer", os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := deployment.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	ctx, cancel := deployment.Lifeline(ctx)
	defer cancel()
	consumer := deployment.NewConsumer(pool, settings, release)
	probes := deployment.NewProbes(settings, release, consumer.Ready)
	probes.Fill = func(ctx context.Context) error { return deployment.FillCache(ctx, pool, settings) }

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := probes.WarmUp(ctx, settings); err != nil {
			return err
		}
		return consumer.Run(ctx)
	})
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, probes.Handler()) })
	return group.Wait()
}
