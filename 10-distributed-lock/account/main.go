// Command account is the resource behind the lock: it keeps what customers owe, and
// its own record of who was there when, in Postgres.
package main

import (
	"context"
	"os"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := lock.AccountSettings(os.Args[1:])
	if err != nil {
		return err
	}
	pool, err := lock.OpenDatabase(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	account := lock.NewAccount(pool, settings.Fencing)
	defer account.Report(context.WithoutCancel(ctx))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return account.Prepare(ctx) })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, account.Handler()) })
	return group.Wait()
}
