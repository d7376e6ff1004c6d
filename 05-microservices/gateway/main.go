// Command gateway spreads the calls to the payment service over its replicas.
package main

import (
	"context"
	"os"

	microservices "course.example/05-microservices"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := microservices.GatewaySettings(os.Args[1:])
	if err != nil {
		return err
	}
	gateway, err := microservices.NewGateway(settings)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// The requests in hand still need the replicas while the server drains, and get
	// them: only the checks end with ctx.
	group.Go(func() error { return gateway.Run(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, gateway.Handler()) })
	return group.Wait()
}
