// Command gateway spreads the calls to the payment service over its replicas.
package main

import (
	"context"
	"os"

	"course.example/05-microservices/gateway"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := gateway.ParseSettings(os.Args[1:])
	if err != nil {
		return err
	}
	g, err := gateway.New(settings)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// The requests in progress still need the replicas while the server drains, and get
	// them: only the checks end with ctx.
	group.Go(func() error { return g.Run(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, g.Handler()) })
	return group.Wait()
}
