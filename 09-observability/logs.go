package observability

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
)

// bothWays sends each line to the console, for people, and through the bridge to the backend.
// Both carry the trace and the span in which the line was written: slog hands the context to
// its handlers, and the span is in the context. That is why every call here is slog.InfoContext
// and not slog.Info.
func bothWays(console slog.Handler, logs *sdklog.LoggerProvider) slog.Handler {
	bridge := otelslog.NewHandler("course.example/09-observability",
		otelslog.WithLoggerProvider(logs))
	return slog.NewMultiHandler(withTrace{console}, atLeast{slog.LevelInfo, bridge})
}

// withTrace writes the identities of trace and span into the line. To the backend the bridge
// gives them by itself, in fields of their own.
type withTrace struct{ slog.Handler }

// Handle adds the two attributes to a line that was written within a span.
func (h withTrace) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()),
			slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapper around what it returns.
func (h withTrace) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withTrace{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the wrapper around what it returns.
func (h withTrace) WithGroup(name string) slog.Handler {
	return withTrace{h.Handler.WithGroup(name)}
}

// atLeast lets only lines of a level and above through.
type atLeast struct {
	level slog.Level
	slog.Handler
}

// Enabled says whether the level is high enough.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the level.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.level, h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the level.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.level, h.Handler.WithGroup(name)}
}
