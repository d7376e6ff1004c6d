package shop

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// The messages from which the lab keeps its ledger. They are part of the
// shop's contract, as the HTTP API is: each is logged with the attribute
// "order", which holds the order's identity. contract.json has them to the letter.
const (
	MsgAccepted  = "order accepted"
	MsgReceived  = "order received"
	MsgProcessed = "order processed"
	MsgFailed    = "order failed"
	MsgSkipped   = "order skipped"
	MsgReady     = "ready"
)

// Accepted says that the shop now answers for the order. [Counter] says it
// before it answers the customer, so that there is no order with an answer and
// without a line.
func Accepted(ctx context.Context, order string, attrs ...slog.Attr) {
	logOrder(ctx, slog.LevelInfo, MsgAccepted, order, attrs)
}

// Received says that a consumer works on the order, for the attempt-th time
// (the first is 1) as far as it can know.
func Received(ctx context.Context, order string, attempt int, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.Int("attempt", attempt)}, attrs...)
	logOrder(ctx, slog.LevelInfo, MsgReceived, order, attrs)
}

// Processed says that the effect of the order has happened in the world. Said
// twice of one order, the customer was served twice: call it right after the
// effect, and nowhere else. A step whose effects have an identity says it in the
// attribute "effect": then to say the same effect again, because nobody knows
// whether it was said before a crash, is no second serving.
func Processed(ctx context.Context, order string, attrs ...slog.Attr) {
	logOrder(ctx, slog.LevelInfo, MsgProcessed, order, attrs)
}

// MaxReason is how many bytes a reason may have. An error that quotes what a stranger
// has sent can be as long as that: too long for a header, a column and a reader.
const MaxReason = 1 << 10

// Reason is the text of an error, cut after [MaxReason] bytes and between two runes.
func Reason(err error) string { return cut(err.Error()) }

func cut(text string) string { return cutAt(text, MaxReason) }

func cutAt(text string, limit int) string {
	const more = "…"
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	end := limit - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// Failed says that nobody will try this order again, and why. A long reason is cut,
// as [Reason] does it.
func Failed(ctx context.Context, order, reason string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("reason", cut(reason))}, attrs...)
	logOrder(ctx, slog.LevelError, MsgFailed, order, attrs)
}

// Skipped says that the order came again and was not done again, and why.
func Skipped(ctx context.Context, order, reason string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("reason", cut(reason))}, attrs...)
	logOrder(ctx, slog.LevelInfo, MsgSkipped, order, attrs)
}

// Ready says that a process without an HTTP server has what it needs to begin.
func Ready(ctx context.Context, attrs ...slog.Attr) {
	slog.LogAttrs(ctx, slog.LevelInfo, MsgReady, attrs...)
}

func logOrder(
	ctx context.Context, level slog.Level, msg, order string, attrs []slog.Attr,
) {
	all := make([]slog.Attr, 0, 1+len(attrs))
	all = append(append(all, slog.String("order", order)), attrs...)
	slog.LogAttrs(ctx, level, msg, all...)
}

// newLogger writes JSON lines for programs (LOG_FORMAT=json) and short lines
// for people otherwise. LOG_LEVEL takes slog's names: debug, info, warn, error.
func newLogger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if name := os.Getenv("LOG_LEVEL"); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, usagef("LOG_LEVEL=%q: want debug, info, warn or error", name)
		}
	}
	switch format := strings.ToLower(os.Getenv("LOG_FORMAT")); format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
			Level: level, ReplaceAttr: readable,
		})), nil
	case "", "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
			Level: level, ReplaceAttr: shortTime,
		})), nil
	default:
		return nil, usagef("LOG_FORMAT=%q: want json or text", format)
	}
}

// shortTime leaves the date out: a lecture does not last a day.
func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(a.Key, a.Value.Time().Format("15:04:05.000"))
	}
	return readable(groups, a)
}

// maxText is how many bytes of a text stand in a line: enough for a stack.
const maxText = 8 << 10

// readable writes 1.5s where slog would write 1500000000, and cuts what is too long
// to be read.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().Round(time.Microsecond).String())
	case slog.KindString:
		if len(a.Value.String()) > maxText {
			return slog.String(a.Key, cutAt(a.Value.String(), maxText))
		}
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return slog.String(a.Key, Reason(err))
		}
	}
	return a
}
