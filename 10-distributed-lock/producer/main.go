// Command producer takes orders over HTTP, and bills what is open.
package main

import (
	"context"
	"errors"
	"os"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := lock.BillerSettings("producer", os.Args[1:])
	if err != nil {
		return err
	}
	nodes, err := lock.Connect(settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.Close()) }()
	account := lock.NewRemote(settings.Account)
	biller := lock.NewBiller(settings, lock.NewLocker(settings, nodes, account), account)
	counter := shop.Counter{Place: biller.Place, Ready: biller.Ready}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return biller.Run(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, counter.Handler()) })
	return group.Wait()
}
