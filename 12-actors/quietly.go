package actors

import (
	"context"
	"log/slog"
)

// quietly makes debugging lines of all that the engine logs. It calls every call
// that came too late an error, and every absent silo: here they are what the step
// is about, and are reported by those whom they concern. LOG_LEVEL=debug shows
// them.
type quietly struct{ next slog.Handler }

func (q quietly) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.next.Enabled(ctx, slog.LevelDebug)
}

func (q quietly) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	r.Message = "engine: " + r.Message
	return q.next.Handle(ctx, r)
}

func (q quietly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietly{q.next.WithAttrs(attrs)}
}

func (q quietly) WithGroup(name string) slog.Handler { return quietly{q.next.WithGroup(name)} }
