// Command inject appends events that no honest producer would: what a projector must survive.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	eventsourcing "course.example/13-event-sourcing"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := eventsourcing.DefaultSettings()
	flags := settings.Flags("inject")
	kind := flags.String("kind", "wrong-version", "of event: "+eventsourcing.BadKinds)
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
	pool, err := eventsourcing.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	if err := eventsourcing.Inject(ctx, pool, *kind, *count); err != nil {
		return err
	}
	slog.Info("injected", "kind", *kind, "count", *count)
	return nil
}
