// Command receiver is told of every order. Its first argument is what kind of receiver it
// is. All do the same here; what counts is that each kind is told.
package main

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
)

var kinds = []string{"email", "statistics", "shipping", "newcomer"}

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	if len(os.Args) < 2 || !slices.Contains(kinds, os.Args[1]) {
		return &shop.UsageError{Problem: "the first argument must be one of " +
			strings.Join(kinds, ", ")}
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
