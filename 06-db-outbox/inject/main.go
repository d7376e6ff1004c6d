// Command inject writes messages into the outbox that no honest producer would:
// what a consumer must survive.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := outbox.DefaultSettings()
	flags := settings.Flags("inject")
	kind := flags.String("kind", "garbage", "of message: "+outbox.BadKinds)
	count := flags.Int("count", 1, "how many")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if err := settings.Validate(); err != nil {
		return err
	}
	if *count < 1 || *count > shop.MaxCount {
		return &shop.UsageError{Problem: fmt.Sprintf(
			"count must be 1 to %d, is %d", shop.MaxCount, *count)}
	}
	pool, err := outbox.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	if err := outbox.Inject(ctx, pool, *kind, *count); err != nil {
		return err
	}
	slog.Info("injected", "kind", *kind, "count", *count)
	return nil
}
