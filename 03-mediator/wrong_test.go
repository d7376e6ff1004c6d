package mediator

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Each of these runs the same scene twice: the wrong variant must fail in just
// the way its comment says, and the right one must not.

func TestWrongStopAtFirstErrorTellsNobodyElse(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"stop-at-first-error": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := DefaultSettings()
			s.Variant = variant
			taken := 0
			_, err := publish(s.Mediator(), takes(0, errMail),
				func(context.Context, event) error { taken++; return nil })
			if (taken == 0) != red || errors.Is(err, ErrNotTold) != red {
				t.Errorf("the inventory was told %d times: %v", taken, err)
			}
		})
	}
}

// A process that dies cannot report to its test: the test starts itself again.
func TestWrongNoRecoverEndsTheProcess(t *testing.T) {
	t.Parallel()
	if variant := os.Getenv("CRASH_AS"); variant != "" {
		s := DefaultSettings()
		s.Variant, s.Strategy = variant, "parallel"
		_, err := publish(s.Mediator(), func(context.Context, event) error { panic("bug") })
		if err == nil {
			t.Error("a panic is no error")
		}
		return
	}
	for variant, red := range map[string]bool{"no-recover": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0],
				"-test.run=^TestWrongNoRecoverEndsTheProcess$")
			child.Env = append(os.Environ(), "CRASH_AS="+variant)
			out, err := child.CombinedOutput()
			if (err != nil) != red || strings.Contains(string(out), "panic: bug") != red {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
