package shop

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// record lets the process log to the lines it returns, until the test ends. Not for
// tests in parallel: the log is the process's own.
func record(t *testing.T, format, level string) *bytes.Buffer {
	t.Helper()
	t.Setenv("LOG_FORMAT", format)
	t.Setenv("LOG_LEVEL", level)
	var lines bytes.Buffer
	logger, err := newLogger(&lines)
	if err != nil {
		t.Fatal(err)
	}
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(logger)
	return &lines
}

// LOG_LEVEL is the least that is said, and people get short times and durations.
func TestLinesForPeople(t *testing.T) {
	lines := record(t, "", "warn")
	slog.Info("not said")
	slog.Warn("said", "took", 1234567*time.Nanosecond, slog.Group("in", slog.Time("time", time.Time{})))
	text := lines.String()
	if strings.Contains(text, "not said") || !strings.Contains(text, "level=WARN msg=said took=1.235ms") ||
		!strings.Contains(text, "in.time=0001-01-01T") {
		t.Errorf("said %q", text)
	}
	if _, err := time.Parse("time=15:04:05.000", strings.Fields(text)[0]); err != nil {
		t.Errorf("the time is not short: %v", err)
	}
}

// watched is an answer on its way to the customer.
type watched struct {
	*httptest.ResponseRecorder
	answered func()
}

func (w watched) WriteHeader(status int) { w.answered(); w.ResponseRecorder.WriteHeader(status) }

// noting is a log that only notes messages.
type noting struct{ note func(string) }

func (n noting) Enabled(context.Context, slog.Level) bool { return true }
func (n noting) WithAttrs([]slog.Attr) slog.Handler       { return n }
func (n noting) WithGroup(string) slog.Handler            { return n }

func (n noting) Handle(_ context.Context, r slog.Record) error {
	n.note(r.Message)
	return nil
}

// First the order is safe, then the ledger hears of it, then the customer. And of
// what is not safe neither hears that it is accepted.
func TestAcceptedComesBetweenPlaceAndAnswer(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, c := range []struct {
		target string
		err    error
		want   []string
	}{
		{"/orders", nil, []string{"placed", MsgAccepted, "answered"}},
		{"/orders?count=2", nil, []string{"placed", MsgAccepted, "placed", MsgAccepted, "answered"}},
		{"/orders", errors.New("broken"), []string{"placed", "order not accepted", "answered"}},
		{"/orders?count=2", errors.New("broken"), []string{"placed", "order not accepted", "answered"}},
	} {
		var happened []string // by one goroutine after the other: one at a time is placed
		note := func(what string) { happened = append(happened, what) }
		slog.SetDefault(slog.New(noting{note}))
		counter := Counter{AtOnce: 1, Place: func(context.Context, Order) error {
			note("placed")
			return c.err
		}}
		w := watched{httptest.NewRecorder(), func() { note("answered") }}
		counter.Handler().ServeHTTP(w,
			httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.target, nil))
		if !slices.Equal(happened, c.want) {
			t.Errorf("%s, %v: %q, want %q", c.target, c.err, happened, c.want)
		}
	}
}

func TestReasonIsCutBetweenTwoRunes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, ends string
		bytes      int
	}{
		"short":           {"no", "no", 2},
		"as long as may":  {strings.Repeat("x", MaxReason), "xxx", MaxReason},
		"one too long":    {strings.Repeat("x", MaxReason+1), "xx…", MaxReason},
		"a rune at it":    {strings.Repeat("€", MaxReason), "€€…", MaxReason - 1},
		"a stranger's":    {"7" + strings.Repeat("1", 130_900), "11…", MaxReason},
		"not UTF-8":       {"bad \xff byte", "bad \uFFFD byte", 12},
		"long, not UTF-8": {strings.Repeat("\xff", 5000), "\uFFFD", 3},
	} {
		got := Reason(errors.New(c.text))
		if len(got) != c.bytes || !strings.HasSuffix(got, c.ends) || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, which end with %q", name, len(got), got[max(0, len(got)-9):])
		}
	}
}

// Whatever a line speaks of, it stays short enough to be read.
func TestLinesAreBounded(t *testing.T) {
	long := strings.Repeat("1", 130_900)
	for _, format := range []string{"json", "text"} {
		out := record(t, format, "info")
		slog.Warn("a stranger came", "error", errors.New(long), "text", long)
		Failed(t.Context(), "o1", long)
		Skipped(t.Context(), "o1", long)
		for line := range strings.Lines(out.String()) {
			if len(line) > 12<<10 {
				t.Errorf("%s: a line of %d bytes: %s", format, len(line), line[:80])
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("%s: %d lines, want 3", format, n)
		}
	}
}
