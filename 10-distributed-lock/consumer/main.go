// Command consumer bills what is open, as the producer does. Start it as often as
// you like: all of them want the same orders, and the lock keeps them apart.
package main

import (
	"context"
	"errors"
	"os"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := lock.BillerSettings("consumer", os.Args[1:])
	if err != nil {
		return err
	}
	nodes, err := lock.Connect(settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.Close()) }()
	account := lock.NewRemote(settings.Account)
	return lock.NewBiller(settings, lock.NewLocker(settings, nodes, account), account).Run(ctx)
}
