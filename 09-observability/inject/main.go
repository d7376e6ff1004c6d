// Command inject puts messages into the queue past the shop's front door: garbage, or orders
// that come twice. The lab's acts poison and duplicate use it.
package main

import (
	"context"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	kind, count := "garbage", 1
	s := observability.DefaultSettings()
	f := shop.NewFlags("inject")
	f.StringVar(&s.URL, "amqp-url", s.URL, "the broker, with user and password")
	f.Env("amqp-url", "AMQP_URL")
	f.StringVar(&kind, "kind", kind, "garbage or duplicate")
	f.IntVar(&count, "count", count, "how many messages")
	if err := f.Parse(os.Args[1:]); err != nil {
		return err
	}
	return observability.Inject(ctx, s, kind, count)
}
