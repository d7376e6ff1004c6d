// Command auditor adds up money and stock, as step 11's does: it logs "violations", "orders",
// "twice" and "kept_cents" while the shop runs, and a worker that was told to die its "deaths".
// With -once it writes the books as one line of JSON and ends.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/11-saga/durable"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	once := false
	settings, err := durable.ReadSettings("auditor", os.Args[1:], func(f *shop.Flags) {
		f.BoolVar(&once, "once", once, "write the books as JSON and end")
	})
	if err != nil {
		return err
	}
	if once {
		return saga.Audit(ctx, settings.Settings, os.Stdout)
	}
	return saga.RunAuditor(ctx, settings.Settings)
}
