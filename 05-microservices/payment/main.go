// Command payment charges orders, by JSON over HTTP and by gRPC on the same port.
// Start it as often as you like, with the same book.
package main

import (
	"context"
	"os"

	microservices "course.example/05-microservices"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := microservices.PaymentSettings(os.Args[1:])
	if err != nil {
		return err
	}
	book, err := microservices.OpenBook(settings.Book, settings.KeyTTL, settings.Keys)
	if err != nil {
		return err
	}
	payment := microservices.NewPayment(settings, book)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return book.Keep(ctx) })
	group.Go(func() error {
		return shop.Serve(ctx, settings.Addr, microservices.Both(
			microservices.GRPCServer(payment), microservices.HTTPHandler(payment)))
	})
	return group.Wait()
}
