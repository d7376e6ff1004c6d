package mediator

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a test does not look at, nobody needs to read.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func TestTheFirstBehaviourIsTheOutermost(t *testing.T) {
	t.Parallel()
	var seen []string
	says := func(name string) Behaviour {
		return func(ctx context.Context, c Call, next func(context.Context) error) error {
			seen = append(seen, name+" before "+c.Handler)
			defer func() { seen = append(seen, name+" after "+c.Handler) }()
			return next(ctx)
		}
	}
	m := New(Sequence, 0, says("first"), says("second"))
	if _, err := publish(m, takes(0, nil)); err != nil {
		t.Fatal(err)
	}
	want := []string{"first before A", "second before A", "second after A", "first after A"}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q", seen)
	}
}

func TestABehaviourMayKeepAMessageFromItsHandler(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, Call, func(context.Context) error) error {
		return errMail
	}
	_, err := publish(New(Sequence, 0, refuse), func(context.Context, event) error {
		t.Error("the handler was called")
		return nil
	})
	if !errors.Is(err, errMail) {
		t.Errorf("got %v", err)
	}
}

type named string

func (n named) LogValue() slog.Value {
	return slog.GroupValue(slog.String("order", string(n)))
}

// traced adds what the context of a line says.
type traced struct{ slog.Handler }

type trace struct{}

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	r.Add("trace", ctx.Value(trace{}))
	return h.Handler.Handle(ctx, r)
}

// Not parallel: the log is the process's own.
func TestLoggingAndTiming(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(traced{slog.NewTextHandler(&log,
		&slog.HandlerOptions{Level: slog.LevelDebug})}))
	synctest.Test(t, func(t *testing.T) { logAndTime(t) })
	for _, want := range []string{
		`level=ERROR msg="handler failed" order=o-7 handler=mail reason="mail server away" trace=t-1`,
		`level=INFO msg="handler returned" order=o-7 handler=mail took=1s trace=t-1`,
		`level=ERROR msg="handler failed" order=o-7 handler=crash reason="panicked at behaviour_test.go:`,
		`level=INFO msg="handler returned" order=o-7 handler=stock took=0s trace=t-1`,
		`level=DEBUG msg="handler did its part" order=o-7 handler=stock trace=t-1`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no line with %s in\n%s", want, log.String())
		}
	}
}

func logAndTime(t *testing.T) {
	m := New(Sequence, 0, Logging, Timing)
	Subscribe(m, "mail", BestEffort, func(context.Context, named) error {
		time.Sleep(time.Second)
		return errMail
	})
	Subscribe(m, "crash", BestEffort, func(context.Context, named) error { panic("bug") })
	Subscribe(m, "stock", Essential, func(context.Context, named) error { return nil })
	ctx := context.WithValue(t.Context(), trace{}, "t-1")
	if err := PublisherOf[named](m).Publish(ctx, "o-7"); err == nil {
		t.Fatal("no error")
	}
}
