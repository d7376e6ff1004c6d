package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		env   string // VARIANT
		parts int
		says  string // of the error
	}{
		{"all of it", nil, "", len(parts), ""},
		{"the lab says right", nil, "right", len(parts), ""},
		{"one part", []string{"-part", "loop"}, "", 1, ""},
		{"several", []string{"-part", "loop, race"}, "", 2, ""},
		{"a wrong way shows where it is wrong", nil, "leak", 1, ""},
		{"no such part", []string{"-part", "lop"}, "", 0, `no part "lop"; there are: sequence,`},
		{"no such variant", nil, "lazy", 0, `variant "lazy" is unknown; there are: right,`},
		{"no delay", []string{"-delay", "0s"}, "", 0, "delay must be 1ms to 1m, is 0s"},
		{"not a delay", []string{"-delay", "soon"}, "", 0, `invalid value "soon"`},
		{"several by their names", []string{"loop", "race", "-delay", "2s"}, "", 2, ""},
		{"a stray word", []string{"-delay", "2s", "x"}, "", 0, `unexpected argument "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("VARIANT", c.env)
			s, err := parse(c.args)
			if c.says == "" {
				if err != nil || len(s.parts) != c.parts {
					t.Errorf("%d parts, %v", len(s.parts), err)
				}
				return
			}
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	if _, err := parse([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

// Every part but the leak's report runs in a bubble: how long the whole lecture
// takes is exact.
func TestAllParts(t *testing.T) {
	s, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		out := new(bytes.Buffer)
		began := time.Now()
		for _, p := range s.parts {
			if err := p.run(t.Context(), newScene(s, out)); err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		// 2 + 2 + 1 + 1 s for the four, ½ for the deadline, ¼ for the race, twice
		// ¾ for three calls, ten times 10 ms, ½ for the order.
		if took := time.Since(began); took != 8850*time.Millisecond {
			t.Errorf("took %s", took)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	})
}

func TestSignalEndsEveryPart(t *testing.T) {
	s, err := parse([]string{"-delay", "1m"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.parts {
		if p.name == "loop" || p.name == "deadline" || p.name == "give-up" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				err := p.run(ctx, newScene(s, new(bytes.Buffer)))
				if took := time.Since(began); took != time.Second {
					t.Errorf("took %s to end", took)
				}
				if p.name != "order" && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}
