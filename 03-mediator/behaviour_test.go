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
	m := New(Strategy{}, 0, says("first"), says("second"))
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
	_, err := publish(New(Strategy{}, 0, refuse), func(context.Context, event) error {
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

// Not parallel: the log is the process's own.
func TestLoggingAndTiming(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log,
		&slog.HandlerOptions{Level: slog.LevelDebug})))
	m := New(Strategy{}, 0, Logging, Timing)
	Subscribe(m, "mail", BestEffort, func(context.Context, named) error { return errMail })
	Subscribe(m, "crash", BestEffort, func(context.Context, named) error { panic("bug") })
	Subscribe(m, "stock", Essential, func(context.Context, named) error { return nil })
	if err := PublisherOf[named](m).Publish(t.Context(), "o-7"); err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`level=ERROR msg="handler failed" order=o-7 handler=mail reason="mail server away"`,
		`level=INFO msg="handler returned" order=o-7 handler=mail took=`,
		`level=ERROR msg="handler failed" order=o-7 handler=crash reason="panicked at behaviour_test.go:`,
		`level=INFO msg="handler returned" order=o-7 handler=stock took=`,
		`level=DEBUG msg="handler did its part" order=o-7 handler=stock`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no line with %s in\n%s", want, log.String())
		}
	}
}
