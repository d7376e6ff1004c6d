// Command payment charges orders, by JSON over HTTP and by gRPC on the same port.
// Start it as often as you like, with the same book.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"course.example/05-microservices/payment"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := payment.ParseSettings(os.Args[1:])
	if err != nil {
		return err
	}
	if settings.Book == "" {
		// A folder of ours alone: in a shared one we would meet the charges, or the
		// files, of somebody else.
		if settings.Book, err = os.MkdirTemp("", "course-05-charges-"); err != nil {
			return fmt.Errorf("make a folder for the book, or name one with -book: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(settings.Book)) }()
		slog.Info("the book is for this run; with -book it is kept, and shared by replicas",
			"book", settings.Book)
	}
	book, err := payment.OpenBook(settings.Book, settings.KeyTTL, settings.Keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	p := payment.NewPayment(settings, book)
	return shop.Serve(ctx, settings.Addr,
		payment.Both(payment.GRPCServer(p), payment.HTTPHandler(p)))
}
