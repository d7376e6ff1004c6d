// Command inject puts messages into the shop that no honest program would: what a
// service must survive.
package main

import (
	"context"
	"fmt"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	kind, count := "unstorable", 1
	settings, err := saga.ReadSettings("inject", os.Args[1:], func(f *shop.Flags) {
		f.StringVar(&kind, "kind", kind, "of message: "+saga.BadKinds)
		f.IntVar(&count, "count", count, "how many")
	})
	if err != nil {
		return err
	}
	if count < 1 || count > shop.MaxCount {
		return &shop.UsageError{Problem: fmt.Sprintf(
			"count must be 1 to %d, is %d", shop.MaxCount, count)}
	}
	return saga.Inject(ctx, settings, kind, count)
}
