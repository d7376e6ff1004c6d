// Command book folds the log by itself and compares what comes out with every read model, row
// by row. It prints what it has found as one line of JSON. With -watch it does so again and
// again, and logs it.
package main

import (
	"context"
	"encoding/json"
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
	flags := settings.Flags("book")
	watch := flags.Duration("watch", 0, "audit again after such a pause, until SIGTERM; 0: once")
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
	if *watch > 0 {
		return keepWatch(ctx, pool, *watch)
	}
	audit, err := eventsourcing.ReadAudit(ctx, pool)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(audit)
}

// rest is how many times as long as the audit the pause after it is, at least. A log that has
// grown takes longer to fold: the auditor must not become what keeps the machine busy.
const rest = 4

// keepWatch logs what each audit finds. A database that is away is told, and waited for.
func keepWatch(ctx context.Context, pool *pgxpool.Pool, pause time.Duration) error {
	if err := eventsourcing.Prepare(ctx, pool); err != nil {
		return err
	}
	shop.Ready(ctx)
	for {
		began := time.Now()
		audit, err := eventsourcing.ReadAudit(ctx, pool)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			slog.WarnContext(ctx, "no audit", "reason", err)
		default:
			level := slog.LevelDebug
			if audit.Err() != nil {
				level = slog.LevelError
			} else if audit.Events > 0 {
				level = slog.LevelInfo
			}
			slog.LogAttrs(ctx, level, "audit",
				slog.Int("events", audit.Events), slog.Int("differences", audit.Differences),
				slog.Int("violations", audit.Violations), slog.Int("edited", audit.Edited),
				slog.Int("parked", audit.Parked), slog.Int("twice", audit.Duplicated),
				slog.String("findings", strings.Join(audit.Findings, "; ")))
		}
		timer := time.NewTimer(max(pause, rest*time.Since(began)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}
