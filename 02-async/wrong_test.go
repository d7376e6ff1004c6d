package async

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"go.uber.org/goleak"
)

// Each of these runs the same scene with the right and the wrong variant: the
// wrong one must fail in just the way its comment says, and the right one not.

func newCaller(t *testing.T, variant string) Caller {
	t.Helper()
	c, err := NewCaller(variant)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Not parallel: the goroutines of another test would be taken for a leak.
func TestWrongLeakLeavesGoroutinesBehind(t *testing.T) {
	for variant, left := range map[string]int{"leak": 10, "right": 0} {
		t.Run(variant, func(t *testing.T) {
			others := goleak.IgnoreCurrent()
			gaveUp, err := newCaller(t, variant).GiveUp(t.Context(), 10, time.Millisecond,
				func(ctx context.Context) (int, error) {
					<-ctx.Done() // watches its context, as it should
					return 0, ctx.Err()
				})
			if gaveUp != 10 || err != nil {
				t.Fatalf("gave up %d times, %v", gaveUp, err)
			}
			found := goleak.Find(others)
			report := ""
			if found != nil {
				report = found.Error()
			}
			if n := strings.Count(report, "leakyCall.func1 on top of the stack"); n != left {
				t.Errorf("%d goroutines leaked, want %d:\n%s", n, left, report)
			}
			if left > 0 && !strings.Contains(report, "chan send") {
				t.Errorf("they wait for something else:\n%s", report)
			}
		})
	}
}

// With an answer in time the leaky call is right: that is how it gets through a
// review.
func TestLeakyCallLooksRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if value, err := leakyCall(t.Context(), after(time.Second, 7, nil)); value != 7 || err != nil {
			t.Errorf("got %d, %v", value, err)
		}
	})
}

func TestWrongWaysToPlaceAnOrder(t *testing.T) {
	t.Parallel()
	for variant, want := range map[string]struct {
		err   error
		takes time.Duration
	}{
		"right":             {shop.ErrBounced, time.Second},
		"dropped-error":     {nil, 0},                           // the customer is thanked, at once
		"sequential-awaits": {shop.ErrBounced, 3 * time.Second}, // the sum, not the longest
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bounced atomic.Int64
				waits := func(ctx context.Context) error { return Sleep(ctx, time.Second) }
				mail := func(context.Context) error {
					time.Sleep(time.Second)
					bounced.Add(1)
					return shop.ErrBounced
				}
				wantTime(t, took(func() {
					err := newCaller(t, variant).Place(t.Context(), waits, waits, mail)
					if !errors.Is(err, want.err) {
						t.Errorf("the customer was told %v, want %v", err, want.err)
					}
				}), want.takes)
				time.Sleep(time.Minute)
				if bounced.Load() != 1 {
					t.Errorf("bounced %d times", bounced.Load())
				}
			})
		})
	}
}

func TestGiveUpHandsOtherErrorsOn(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"right", "leak"} {
		gaveUp, err := newCaller(t, variant).GiveUp(t.Context(), 3, time.Minute, after(0, 0, errWork))
		if gaveUp != 0 || !errors.Is(err, errWork) {
			t.Errorf("%s: gave up %d times, %v", variant, gaveUp, err)
		}
	}
}

func TestUnknownVariant(t *testing.T) {
	t.Parallel()
	_, err := NewCaller("lazy")
	if usage := new(shop.UsageError); !errors.As(err, &usage) ||
		!strings.Contains(err.Error(), "dropped-error, leak, sequential-awaits") {
		t.Error(err)
	}
}
