// Command book adds up the whole log by itself and compares with the sums and joins of the consumers. It
// prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	streams "course.example/14-stream-processing"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := streams.DefaultSettings()
	if err := settings.Read("book", os.Args[1:]); err != nil {
		return err
	}
	log, err := streams.OpenLog(settings)
	if err != nil {
		return err
	}
	defer log.Close()
	pool, err := streams.OpenDatabase(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	book, err := streams.ReadBook(ctx, log, pool, settings)
	if err != nil {
		return err
	}
	// The book is on the standard output; what experiments judge besides is told as a log line.
	told := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	told.InfoContext(ctx, "audit", "differing", book.Differing, "misjoined", book.Misjoined,
		"unpaid", book.Unpaid, "overtaken", book.Overtaken)
	return json.NewEncoder(os.Stdout).Encode(book)
}
