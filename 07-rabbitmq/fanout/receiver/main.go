// Command receiver is told of every order. Its first argument is what it does with one:
// email, statistics, shipping, or a name of your own.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	if len(os.Args) < 2 || os.Args[1] == "" || strings.HasPrefix(os.Args[1], "-") {
		return &shop.UsageError{Problem: "no name: want email, statistics, shipping or another one first"}
	}
	name := os.Args[1]
	settings, err := rabbitmq.ConsumerSettings(os.Args[2:])
	if err != nil {
		return err
	}
	var told atomic.Int64
	handle := func(ctx context.Context, order shop.Order) error {
		if err := shop.Work(ctx, order, settings.Work); err != nil {
			return err
		}
		slog.InfoContext(ctx, "told", "receiver", name, name, told.Add(1))
		if name == "shipping" { // the ledger asks whether the parcel is on its way
			shop.Processed(ctx, order.ID)
		}
		return nil
	}
	return rabbitmq.NewReceiver(settings, name, handle).Run(ctx)
}
