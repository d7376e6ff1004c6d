// Command slide is the slide's programs A and B: both want every order, and its lock says who has it.
package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	options, err := redis.ParseURL(strings.Split(os.Getenv("REDIS_URL"), ",")[0]) // one of the nodes
	work, wrong := time.ParseDuration(os.Getenv("WORK"))
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	factory := redsync.New(goredis.NewPool(redis.NewClient(options)))
	account := lock.NewRemote(os.Getenv("ACCOUNT_URL"))
	group, ctx := errgroup.WithContext(ctx)
	bill := func(order shop.Order) error {
		redLock := factory.NewMutex("lock:"+order.ID, redsync.WithExpiry(time.Second))
		if redLock.TryLockContext(ctx) != nil {
			return nil // the other program has it
		}
		defer redLock.UnlockContext(ctx)
		billed, err := account.Enter(ctx, order.ID, redLock.Value(), 0)
		if err != nil || billed {
			return err
		}
		shop.Received(ctx, order.ID, 1)
		if err := shop.Work(ctx, order, work); err != nil {
			return err
		}
		return account.Bill(ctx, order.ID, redLock.Value(), 0)
	}
	counter := shop.Counter{Place: account.Open} // POST /orders
	address := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:0")
	group.Go(func() error { return shop.Serve(ctx, address, counter.Handler()) })
	shop.Ready(ctx)
	for err == nil {
		var orders []shop.Order
		orders, err = account.Pending(ctx)
		for _, order := range orders {
			group.Go(func() error { return bill(order) })
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
