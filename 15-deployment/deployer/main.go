// Command deployer keeps the shop's programs running, brings other versions of them in, and is the
// door through which customers come.
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
	settings, err := deployment.DeployerSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := deployment.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	deployer := deployment.NewDeployer(settings, pool)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return deployer.Run(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, deployer.Handler(ctx)) })
	return group.Wait()
}
