package bench_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"course.example/lab/internal/history"
)

// A kill is no request, and neither way to end a process is followed by a new life.
func TestKillAndStopEndALifeForGood(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no signals to tell a kill from a stop by")
	}
	for act, end := range map[string]string{
		"kill shop": "signal: killed", "stop shop": "exit status 0",
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			b, r := start(t, "", nil)
			if err := b.Do(t.Context(), act); err != nil {
				t.Fatal(err)
			}
			// A life that nobody ended is followed by another before Close returns.
			if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			lives := b.History().Lives
			if len(lives) != 1 || lives[0].End != end {
				t.Errorf("lives %+v, want one that ended with %s", lives, end)
			}
			if r.has(history.Lab, "died unasked") {
				t.Error("the lab takes it for an accident")
			}
		})
	}
}

// What a process wrote just before it ended counts: Close waits until it was read.
func TestCloseReadsTheLastLines(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	if n, err := b.Place(t.Context(), 200); n != 200 || err != nil {
		t.Fatalf("placed %d: %v", n, err)
	}
	if err := errors.Join(b.Close(t.Context()), b.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if s := b.Status(); s.Processed != 200 || s.Open != 0 || s.Up["shop"] != 0 {
		t.Errorf("got %+v", s)
	}
	if err := b.Do(t.Context(), "start shop"); err == nil {
		t.Error("a process was started on a bench that is closed")
	}
}
