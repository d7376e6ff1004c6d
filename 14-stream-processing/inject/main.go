// Command inject appends records to the log that no honest producer would: what a consumer must survive.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	streams "course.example/14-stream-processing"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	flags := flag.NewFlagSet("inject", flag.ContinueOnError)
	kind := flags.String("kind", "garbage", "of record: "+streams.Kinds)
	count := flags.Int("count", 1, "how many")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *count < 1 || *count > shop.MaxCount {
		return &shop.UsageError{Problem: fmt.Sprintf("count must be 1 to %d, is %d", shop.MaxCount, *count)}
	}
	settings := streams.DefaultSettings()
	if err := settings.Read("inject", nil); err != nil {
		return err
	}
	log, err := streams.OpenLog(settings)
	if err != nil {
		return err
	}
	defer log.Close()
	return streams.Inject(ctx, log, settings, *kind, *count)
}
