// Command inject puts messages into the queue that no honest producer would:
// what a consumer must survive.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	rabbitmq "course.example/07-rabbitmq"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := rabbitmq.DefaultSettings()
	flags := settings.Flags("inject")
	kind := flags.String("kind", "garbage", "of message: "+rabbitmq.BadKinds)
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
	if err := rabbitmq.Inject(ctx, settings, *kind, *count); err != nil {
		return err
	}
	slog.Info("injected", "kind", *kind, "count", *count)
	return nil
}
