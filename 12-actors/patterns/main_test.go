package main

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

// The bank that is killed is this program in another process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-bank" {
		main()
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// shown is what a variant of a pattern prints.
func shown(t *testing.T, pattern, variant string) string {
	t.Helper()
	s := settings{variant: variant, idle: time.Second}
	p, err := find(pattern, s)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := p.show(t.Context(), &out, s); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]settings{
		`context has no variant "left": there are right, not-forwarded, variable`: {
			variant: "left", idle: time.Second},
		"-idle must be positive": {variant: "right"},
	} {
		_, err := find("context", s)
		if usage := new(shop.UsageError); !errors.As(err, &usage) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := find("contxt", settings{}); err == nil ||
		!strings.Contains(err.Error(), "there are context, deadlock, grains") {
		t.Errorf("an unknown pattern: %v", err)
	}
}
