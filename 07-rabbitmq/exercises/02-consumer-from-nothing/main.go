// Command consumer is yours to write.
package main

import (
	"context"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	shop.Ready(ctx)
	<-ctx.Done()
	return nil
}
