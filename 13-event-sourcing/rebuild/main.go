// Command rebuild builds read models again from the first event, beside the old ones, and
// switches when they have caught up. With -every it does so again and again until SIGTERM.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	eventsourcing "course.example/13-event-sourcing"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings := eventsourcing.DefaultSettings()
	flags := settings.Flags("rebuild")
	flags.StringVar(&settings.Projections, "projections", "customers,stock,sales",
		"what to build again, comma-separated")
	flags.Env("projections", "PROJECTIONS")
	parts := flags.Int("parts", 1, "how many projectors can work at it side by side")
	every := flags.Duration("every", 0, "build again after such a pause; 0: once")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if err := settings.Validate(); err != nil {
		return err
	}
	pool, err := eventsourcing.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	if err := eventsourcing.Prepare(ctx, pool); err != nil {
		return err
	}
	shop.Ready(ctx)
	for n := 1; ; n++ {
		err := rebuild(ctx, pool, settings, *parts)
		if *every == 0 || ctx.Err() != nil {
			return err
		}
		if err != nil {
			slog.WarnContext(ctx, "not built: trying again", "reason", err)
		} else {
			slog.InfoContext(ctx, "built again", "rebuilds", n)
		}
		timer := time.NewTimer(*every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

func rebuild(
	ctx context.Context, pool *pgxpool.Pool, settings eventsourcing.Settings, parts int,
) error {
	for _, name := range strings.Split(settings.Projections, ",") {
		generation, err := eventsourcing.Rebuild(ctx, pool, settings, name, parts)
		if err != nil {
			return err
		}
		slog.InfoContext(ctx, "switched", "projection", name, "generation", generation)
	}
	return nil
}
