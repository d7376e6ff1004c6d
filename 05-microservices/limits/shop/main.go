// Command shop is what the gateways protect: it does the work of each order at once.
package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	flags := shop.NewFlags("shop")
	addr := flags.String("addr", "127.0.0.1:8081", "`address` to listen at")
	flags.Env("addr", "ADDR")
	takes := flags.Duration("work", 10*time.Millisecond, "how long the work of an order takes")
	flags.Env("work", "WORK")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	counter := shop.Counter{Status: http.StatusOK, Place: func(ctx context.Context, o shop.Order) error {
		shop.Received(ctx, o.ID, 1)
		err := shop.Work(ctx, o, *takes)
		switch {
		case err == nil:
			shop.Processed(ctx, o.ID)
		case errors.Is(err, shop.ErrBounced):
			return shop.Rejected(err, http.StatusUnprocessableEntity)
		}
		return err
	}}
	return shop.Serve(ctx, *addr, counter.Handler())
}
