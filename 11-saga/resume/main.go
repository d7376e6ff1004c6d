// Command resume sends parked sagas on, once what had parked them is mended.
package main

import (
	"context"
	"os"

	saga "course.example/11-saga"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	order, byHand := "", false
	settings, err := saga.ReadSettings("resume", os.Args[1:], func(f *shop.Flags) {
		f.StringVar(&order, "order", order, "this one only")
		f.BoolVar(&byHand, "by-hand", byHand, "what failed has been done in another way")
	})
	if err != nil {
		return err
	}
	_, err = saga.ResumeParked(ctx, settings, order, byHand)
	return err
}
