package async

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// Whatever a test does, no goroutine is left when all are done: but for those of
// the variant that leaks, which nothing can end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("course.example/02-async.leakyCall.func1"))
}

var errWork = errors.New("the work failed")

// after returns work that takes so long and then has this result; it ends early
// with its context.
func after[T any](d time.Duration, value T, err error) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		if err := Sleep(ctx, d); err != nil {
			return value, err
		}
		return value, err
	}
}

// took runs f in a bubble, in which time stands still while anyone works and
// jumps while all wait: what is measured is exact to the nanosecond.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func wantTime(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("took %s, want exactly %s", got, want)
	}
}

func TestGoReturnsAtOnceAndAwaitWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f *Future[int]
		wantTime(t, took(func() { f = Go(t.Context(), after(time.Second, 7, nil)) }), 0)
		for _, want := range []time.Duration{time.Second, 0} { // as often as you like
			wantTime(t, took(func() {
				if value, err := f.Await(t.Context()); value != 7 || err != nil {
					t.Errorf("got %d, %v", value, err)
				}
			}), want)
		}
	})
}

func TestManyMayAwaitOneFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs, seen atomic.Int64
		f := Go(t.Context(), func(ctx context.Context) (int, error) {
			runs.Add(1)
			return 7, Sleep(ctx, time.Second)
		})
		for range 100 {
			go func() {
				if value, err := f.Await(t.Context()); value == 7 && err == nil {
					seen.Add(1)
				}
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if runs.Load() != 1 || seen.Load() != 100 {
			t.Errorf("ran %d times, %d saw the value", runs.Load(), seen.Load())
		}
	})
}

func TestErrorsComeOutOfAwait(t *testing.T) {
	t.Parallel()
	cause := errors.New("the customer hung up")
	for name, c := range map[string]struct {
		work func(context.Context) (int, error)
		want error
	}{
		"error":          {after(0, 0, errWork), errWork},
		"panic an error": {func(context.Context) (int, error) { panic(errWork) }, errWork},
		"goexit": {func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		}, ErrExited},
		"ended context": {func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, cause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				f := Go(ctx, c.work)
				synctest.Wait()
				cancel(cause)
				if _, err := f.Await(t.Context()); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestPanicSaysWhatAndWhere(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"boom", nil} {
		_, err := Go(t.Context(), func(context.Context) (int, error) {
			panic(value)
		}).Await(t.Context())
		panicked := new(PanicError)
		if !errors.As(err, &panicked) {
			t.Fatalf("panic(%v) became %v", value, err)
		}
		if !strings.Contains(string(panicked.Stack), "future_test.go") {
			t.Errorf("the stack does not show where:\n%s", panicked.Stack)
		}
		if value == "boom" && err.Error() != "panic: boom" {
			t.Errorf("says %q", err)
		}
	}
}

func TestEndedContextCallsNoNext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	first := Go(t.Context(), func(ctx context.Context) (int, error) {
		<-ctx.Done() // ends although the chain is over before it has begun
		return 0, ctx.Err()
	})
	_, err := Then(ctx, first, func(context.Context, int) (int, error) {
		t.Error("next was called")
		return 0, nil
	}).Await(t.Context())
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := first.Await(t.Context()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAwaitGivesUpAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	// A bubble ends only when every goroutine in it has: a leak fails the test.
	synctest.Test(t, func(t *testing.T) {
		f := Go(t.Context(), after(time.Second, 7, nil))
		limited, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		wantTime(t, took(func() {
			if _, err := f.Await(limited); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}), 300*time.Millisecond)
		// The work went on: another may still want it.
		wantTime(t, took(func() {
			if value, err := f.Await(t.Context()); value != 7 || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
		}), 700*time.Millisecond)
		// What is there is had, also by one whose time is over.
		if value, err := f.Await(limited); value != 7 || err != nil {
			t.Errorf("got %d, %v", value, err)
		}
	})
}

// A select between two that are ready chooses one at random: a hundred times it would
// not always choose the value.
func TestWhatIsThereIsHadByOneWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	f := Go(t.Context(), after(0, 7, nil))
	if _, err := f.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if value, err := f.Await(over); value != 7 || err != nil {
			t.Fatalf("got %d, %v", value, err)
		}
	}
}

// What listens to the context of the work does not stay behind when it is done.
func TestTheContextOfTheWorkEndsWithIt(t *testing.T) {
	t.Parallel()
	its, err := Go(t.Context(), func(ctx context.Context) (context.Context, error) {
		return ctx, ctx.Err()
	}).Await(t.Context())
	if err != nil || its.Err() == nil {
		t.Errorf("it ended with %v, and its context with %v", err, its.Err())
	}
}

// The context says why the work was to end, such as a signal, and Await why it was
// given up.
func TestTheCauseIsHandedOn(t *testing.T) {
	t.Parallel()
	why := errors.New("the customer hung up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := Sleep(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("sleep: %v", err)
	}
	f := Go(t.Context(), func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	defer f.Cancel()
	if _, err := f.Await(ctx); !errors.Is(err, why) {
		t.Errorf("await: %v", err)
	}
	if _, err := Race(ctx, Go(ctx, after(time.Hour, 0, nil))).Await(t.Context()); !errors.Is(err, why) {
		t.Errorf("race: %v", err)
	}
}

func TestNobodyAwaitsAndNothingLeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			Go(t.Context(), after(time.Hour, 0, nil))
		}
	})
}

func TestCancelEndsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := Go(t.Context(), after(time.Hour, 7, nil))
		wantTime(t, took(func() {
			f.Cancel()
			if _, err := f.Await(t.Context()); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}), 0)
	})
}

func TestThen(t *testing.T) {
	t.Parallel()
	double := func(ctx context.Context, n int) (int, error) {
		return 2 * n, Sleep(ctx, time.Second)
	}
	t.Run("costs the sum", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			wantTime(t, took(func() {
				f := Then(t.Context(), Go(t.Context(), after(time.Second, 7, nil)), double)
				if value, err := f.Await(t.Context()); value != 14 || err != nil {
					t.Errorf("got %d, %v", value, err)
				}
			}), 2*time.Second)
		})
	})
	t.Run("an error skips the rest", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			failed := Go(t.Context(), after(time.Second, 0, errWork))
			wantTime(t, took(func() {
				f := Then(t.Context(), Then(t.Context(), failed, double), double)
				if _, err := f.Await(t.Context()); !errors.Is(err, errWork) {
					t.Error(err)
				}
			}), time.Second)
		})
	})
	t.Run("cancelling the last link reaches the first", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			first := Go(t.Context(), after(time.Hour, 0, nil))
			last := Then(t.Context(), Then(t.Context(), first, double), double)
			wantTime(t, took(func() {
				last.Cancel()
				if _, err := first.Await(t.Context()); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}), 0)
		})
	})
	t.Run("another type", func(t *testing.T) {
		t.Parallel()
		f := Then(t.Context(), Go(t.Context(), after(0, 7, nil)),
			func(_ context.Context, n int) (string, error) {
				return strings.Repeat("x", n), nil
			})
		if s, err := f.Await(t.Context()); s != "xxxxxxx" || err != nil {
			t.Errorf("got %q, %v", s, err)
		}
	})
	t.Run("a panic in a link", func(t *testing.T) {
		t.Parallel()
		f := Then(t.Context(), Go(t.Context(), after(0, 7, nil)),
			func(context.Context, int) (int, error) { panic(io.EOF) })
		if _, err := f.Await(t.Context()); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}
