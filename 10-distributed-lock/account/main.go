// Command account is the resource behind the lock: it keeps what customers owe, and
// its own record of who was there when.
package main

import (
	"context"
	"os"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := lock.AccountSettings(os.Args[1:])
	if err != nil {
		return err
	}
	account := lock.NewAccount()
	defer account.Report(context.WithoutCancel(ctx))
	return shop.Serve(ctx, settings.Addr, account.Handler())
}
