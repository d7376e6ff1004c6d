// Command customers are customers who change their minds: orders that are added to and
// cancelled in the same instant. See customers.go.
package main

import (
	"context"
	"net/http"
	"os"
	"time"

	eventsourcing "course.example/13-event-sourcing"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	f := shop.NewFlags("customers")
	url := f.String("shop", "http://127.0.0.1:8080", "where the producer is")
	f.Env("shop", "SHOP_URL")
	pause := f.Duration("pause", 100*time.Millisecond, "before each order")
	f.Env("pause", "PAUSE")
	times := f.Int("times", 1000, "how often; then they are content, and wait for SIGTERM")
	forget := f.Bool("forget", false, "want to be forgotten after each order")
	if err := f.Parse(os.Args[1:]); err != nil {
		return err
	}
	customers := eventsourcing.Fickle{URL: *url, Client: http.DefaultClient, Forget: *forget}
	return customers.Run(ctx, *pause, *times)
}
