// Command shipper hears of e-mails that were sent and packs the parcels.
package main

import (
	"context"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	s, err := observability.ReadSettings("shipper", os.Args[1:])
	if err != nil {
		return err
	}
	return observability.Consume(ctx, "shipper", s,
		observability.EmailedTopic, observability.NewShipper)
}
