package actors

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
)

// answers makes a grain that gives one of these answers after the other, and the
// last for ever.
func answers(calls *atomic.Int64, errs ...error) func(...cluster.GrainCallOption) (string, error) {
	return func(...cluster.GrainCallOption) (string, error) {
		n := int(calls.Add(1))
		return "yes", errs[min(n, len(errs))-1]
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	late := fmt.Errorf("error request: have reached max retries: 1") // as the engine says it
	stale := cluster.NewGrainErrorResponse(cluster.ErrorReason_ABORTED, "stale")
	no := refuse(errors.New("the e-mail bounced"))
	full := cluster.NewGrainErrorResponse(busy, "too many calls wait")
	cases := []struct {
		name  string
		says  []error
		calls int
		want  string // in the error; "" is an answer
	}{
		{"answers", []error{nil}, 1, ""},
		{"answers the third time", []error{late, stale, nil}, 3, ""},
		{"refuses for good", []error{no}, 1, "the e-mail bounced"},
		{"refuses in the end", []error{late, no}, 2, "the e-mail bounced"},
		{"has no room", []error{full}, 1, "call Order/1: grain error response, reason: RESOURCE"},
		{"is never there", []error{late}, 0, "call Order/1: patience is over\nno answer in time"},
		{"always fails", []error{stale}, 0, "call Order/1: patience is over\ngrain error response"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second,
					errors.New("patience is over"))
				defer cancel()
				var calls atomic.Int64
				start := time.Now()
				got, err := Call(ctx, NewBudget(), "Order/1", time.Second, answers(&calls, c.says...))
				switch {
				case c.want == "" && (err != nil || got != "yes"):
					t.Errorf("got %q, %v", got, err)
				case c.want != "" && !contains(err, c.want):
					t.Errorf("got %v, want %q", err, c.want)
				}
				if n := int(calls.Load()); c.calls > 0 && n != c.calls {
					t.Errorf("%d calls, want %d", n, c.calls)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// The engine may not come back for seconds, whatever it was told.
func TestCallThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		var calls atomic.Int64
		got, err := Call(ctx, NewBudget(), "Order/1", time.Second,
			func(...cluster.GrainCallOption) (string, error) {
				if calls.Add(1) == 1 {
					<-time.After(5 * time.Second) // as long as the silo is dead
				}
				return "yes", nil
			})
		if err != nil || got != "yes" || calls.Load() != 2 {
			t.Errorf("got %q, %v after %d calls", got, err, calls.Load())
		}
		synctest.Wait()
		time.Sleep(5 * time.Second) // the bubble's clock: the first call ends by itself
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		refuse(errors.New("no")):         true,
		errors.New("no"):                 false,
		ErrNoAnswer:                      false,
		fmt.Errorf("x: %w", ErrNoAnswer): false,
		cluster.NewGrainErrorResponse(cluster.ErrorReason_ABORTED, "stale"): false,
	} {
		if Refused(err) != want {
			t.Errorf("%v: refused is %v", err, !want)
		}
	}
}
