// Command producer takes orders over HTTP and writes them into the database.
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
	settings, release, err := deployment.ReplicaSettings("producer", os.Args[1:])
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
	producer := deployment.NewProducer(pool, settings, release)
	probes := deployment.NewProbes(settings, release, producer.Ready)
	probes.Fill = func(ctx context.Context) error { return deployment.FillCache(ctx, pool, settings) }
	counter := shop.Counter{Place: probes.Place(producer.Place)}
	probes.Orders = deployment.WithFlags(settings, release, counter.Handler())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return probes.WarmUp(ctx, settings) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, probes.Handler()) })
	return group.Wait()
}
