// Command inject puts hostile messages into the queue: what a consumer must
// survive.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	serialization "course.example/08-serialization"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := serialization.DefaultSettings()
	flags := settings.Flags("inject")
	count := flags.Int("count", 1, "how many of them")
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
	if err := serialization.Inject(ctx, settings, *count); err != nil {
		return err
	}
	slog.Info("injected", "count", *count)
	return nil
}
