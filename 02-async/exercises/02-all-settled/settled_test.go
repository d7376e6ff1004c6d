//go:build exercise

package settled

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	async "course.example/02-async"
)

var (
	errBounced = errors.New("the e-mail bounced")
	errClosed  = errors.New("the office closes")
)

// call takes so long, and fails if it is told to.
func call(ctx context.Context, n int, takes time.Duration, fails error) *async.Future[int] {
	return async.Go(ctx, func(ctx context.Context) (int, error) {
		if err := async.Sleep(ctx, takes); err != nil {
			return 0, err
		}
		return n, fails
	})
}

func TestAllSettled(t *testing.T) {
	for _, c := range []struct {
		name   string
		closes time.Duration // when ctx ends; 0 is never
		takes  time.Duration
		values []int
		errs   []error
	}{
		{"each has its outcome", 0, 3 * time.Second, []int{1, 0, 3}, []error{nil, errBounced, nil}},
		{"what is done is kept", 2500 * time.Millisecond, 2500 * time.Millisecond,
			[]int{0, 0, 3}, []error{errClosed, errBounced, nil}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, closes := context.WithCancelCause(t.Context())
			defer closes(nil)
			if c.closes > 0 {
				time.AfterFunc(c.closes, func() { closes(errClosed) })
			}
			began := time.Now()
			got := AllSettled(ctx, call(t.Context(), 1, 3*time.Second, nil),
				call(t.Context(), 2, time.Second, errBounced), call(t.Context(), 3, 2*time.Second, nil))
			if took := time.Since(began); len(got) != 3 || took != c.takes {
				t.Fatalf("%s: %d outcomes after %v, want 3 after %v", c.name, len(got), took, c.takes)
			}
			for i, outcome := range got {
				if !errors.Is(outcome.Err, c.errs[i]) || outcome.Err == nil && outcome.Value != c.values[i] {
					t.Errorf("%s: outcome %d is %+v, want %d and %v",
						c.name, i, outcome, c.values[i], c.errs[i])
				}
			}
		})
	}
}

// A future may be awaited by others: to wait for it is not to own it.
func TestNothingIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		slow := call(t.Context(), 7, time.Minute, nil)
		AllSettled(ctx, slow, call(t.Context(), 1, 0, errBounced))
		if got, err := slow.Await(t.Context()); got != 7 || err != nil {
			t.Errorf("somebody else got %d, %v of the slow one, want 7", got, err)
		}
	})
}
