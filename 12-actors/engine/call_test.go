package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
)

// answers makes a grain that gives one of these answers after the other, and the
// last forever.
func answers(calls *atomic.Int64, errs ...error) func(...cluster.GrainCallOption) (string, error) {
	return func(...cluster.GrainCallOption) (string, error) {
		n := int(calls.Add(1))
		return "yes", errs[min(n, len(errs))-1]
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	late := fmt.Errorf("error request: %w", ErrNoAnswer) // as the generated code says it
	stale := cluster.NewGrainErrorResponse(cluster.ErrorReason_ABORTED, "stale")
	no := Refuse(errors.New("the e-mail bounced"))
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
		{"is never there", []error{late}, 0, "call Order/1: patience is over\nerror request: no answer in time"},
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
				case c.want != "" && !says(err, c.want):
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

func TestRefused(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		Refuse(errors.New("no")):         true,
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

func says(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

var errBroken = errors.New("broken")

func TestBudget(t *testing.T) {
	t.Parallel()
	b := &Budget{tries: 2}
	got := []bool{b.Again(errBroken), b.Again(errBroken), b.Again(errBroken)}
	if !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("two tries are two: %v", got)
	}
	for range 10 {
		if b.Again(errBroken) {
			t.Error("a try for less than ten answers")
		}
		b.Answered()
	}
	b.tries += 1e-9 // ten tenths
	if !b.Again(errBroken) || b.Again(errBroken) {
		t.Error("ten answers earn one try")
	}
	b = NewBudget()
	b.Answered()
	if b.tries != maxTries {
		t.Errorf("saved %v", b.tries)
	}
}

// Without a budget, a grain that never answers would be asked for as long as anybody
// has patience.
func TestCallEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var calls atomic.Int64
		_, err := Call(ctx, &Budget{tries: 2}, "Order/1", time.Second,
			answers(&calls, errBroken))
		if calls.Load() != 3 || !says(err, "call Order/1: broken") {
			t.Errorf("%d calls, %v; want the first and two more", calls.Load(), err)
		}
	})
}

func TestCallEarns(t *testing.T) {
	t.Parallel()
	b := &Budget{}
	for range 11 {
		if _, err := Call(t.Context(), b, "Order/1", time.Minute,
			func(...cluster.GrainCallOption) (string, error) { return "yes", nil }); err != nil {
			t.Fatal(err)
		}
	}
	if !b.Again(errBroken) || b.Again(errBroken) {
		t.Error("eleven answers earn one try")
	}
}
