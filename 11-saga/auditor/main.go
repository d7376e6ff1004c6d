// Command auditor adds up money and stock over all services, again and again, and
// says what does not balance. With -once it ends with exit code 1 if there is
// anything.
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
		f.BoolVar(&once, "once", once, "add up once and end")
	})
	if err != nil {
		return err
	}
	return saga.RunAuditor(ctx, settings, once)
}
