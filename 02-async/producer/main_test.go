package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
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
		{"no speed", []string{"-speed", "0"}, "", 0, "speed must be 0.1 to 1000, is 0"},
		{"not a speed", []string{"-speed", "NaN"}, "", 0, "speed must be 0.1 to 1000, is NaN"},
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
		// ¾ for three calls, 3 for the loop's timer, ten times 10 ms, ½ for the order.
		if took := time.Since(began); took != 11850*time.Millisecond {
			t.Errorf("took %s", took)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	})
}

// The end of a run, in exact time: 2 s, 2 s and 1 s, and nothing left behind.
func TestPresentSumsUp(t *testing.T) {
	s, err := parse([]string{"sequence", "chain", "parallel"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		out := new(bytes.Buffer)
		if err := present(t.Context(), out, s); err != nil {
			t.Error(err)
		}
		want := "two calls, in the time of one: sequence 2 ×, chain 2 ×, parallel 1 ×\n" +
			"goroutines left behind: 0\n"
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("the end is not\n%s\nbut\n%s", want, out)
		}
	})
}

// The line that sums the lecture up, from exact times and from those of a machine
// that is late: what is late is late for the call that it is compared with, too.
func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		calls map[string]float64
		want  string
	}{
		{map[string]float64{"sequence": 2, "chain": 2, "parallel": 1},
			"sequence 2 ×, chain 2 ×, parallel 1 ×\n"},
		{map[string]float64{"sequence": 2.3, "chain": 2.1, "parallel": 1.4},
			"sequence 2 ×, chain 2 ×, parallel 1 ×\n"},
		{map[string]float64{"sequence": 2, "chain": 2, "parallel": 2},
			"sequence 2 ×, chain 2 ×, parallel 2 ×\n"}, // it can be wrong, so it says something
		{map[string]float64{"sequence": 2, "chain": 2}, ""},
	} {
		out := new(bytes.Buffer)
		newScene(settings{}, out).compare(c.calls)
		if !strings.HasSuffix(out.String(), c.want) || (c.want == "") != (out.Len() == 0) {
			t.Errorf("%v: %q, want %q", c.calls, out, c.want)
		}
	}
}

// A signal ends every part at once, also on the wrong ways through an order: one of
// them has not begun all of its tasks when it comes, and one awaits none of them.
// The variant leak is not here, since a bubble does not let a goroutine leak.
func TestSignalEndsEveryPart(t *testing.T) {
	type scenario struct {
		name string
		args []string
	}
	var scenarios []scenario
	for _, p := range parts {
		if p.name != "queues" { // waits for nothing
			scenarios = append(scenarios, scenario{p.name, []string{p.name}})
		}
	}
	for _, variant := range []string{"dropped-error", "sequential-awaits"} {
		scenarios = append(scenarios, scenario{variant, []string{"-variant", variant}})
	}
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) {
			s, err := parse(append(c.args, "-delay", "1m"))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				for _, p := range s.parts {
					if err := p.run(ctx, newScene(s, io.Discard)); !errors.Is(err, context.Canceled) {
						t.Errorf("%s: %v", p.name, err)
					}
				}
				if took := time.Since(began); took != time.Second {
					t.Errorf("took %s to end", took)
				}
			})
		})
	}
}
