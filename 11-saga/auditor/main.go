// Command auditor adds up money and stock over all services, again and again, and
// says what does not balance. With -once it writes the books as one line of JSON
// and ends.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	once := false
	settings, err := saga.ReadSettings("auditor", os.Args[1:], func(f *shop.Flags) {
		f.BoolVar(&once, "once", once, "write the books as JSON and end")
	})
	if err != nil {
		return err
	}
	if once {
		return saga.Audit(ctx, settings, os.Stdout)
	}
	return saga.RunAuditor(ctx, settings)
}
