//go:build exercise

package watchdog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Time stands still here while anybody works, and jumps to the next timer when all wait.
const expiry = 3 * time.Second

var errNotNow = errors.New("no majority has answered")

// kept is a lock that is kept, and what becomes of it.
type kept struct {
	work  context.Context
	stop  func()
	asked []time.Duration // when extend was called, from the beginning
	began time.Time
}

// keep answers each extension with the next of the answers, and from the last one on with that.
func keep(ctx context.Context, answers ...func(context.Context) error) *kept {
	k := &kept{began: time.Now()}
	k.work, k.stop = Keep(ctx, expiry, func(ctx context.Context) error {
		n := min(len(k.asked), len(answers)-1)
		k.asked = append(k.asked, k.now())
		return answers[n](ctx)
	})
	return k
}

func (k *kept) now() time.Duration { return time.Since(k.began) }

// lostAt waits for the end of the work, and says when that was.
func (k *kept) lostAt(t *testing.T) time.Duration {
	t.Helper()
	select {
	case <-k.work.Done():
	case <-time.After(time.Hour):
		t.Fatalf("the lock is over, and an hour later the work still goes on")
	}
	if cause := context.Cause(k.work); !errors.Is(cause, ErrLost) {
		t.Errorf("the work ends because of %v, want ErrLost", cause)
	}
	return k.now()
}

func yes(context.Context) error { return nil }
func no(context.Context) error  { return errNotNow }

// hang answers when its context has ended, and no sooner.
func hang(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// slow is a yes after a third of the expiry, less a little.
func slow(context.Context) error { time.Sleep(expiry/3 - time.Millisecond); return nil }

func TestTheLockLastsAsLongAsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t.Context(), yes)
		defer k.stop()
		time.Sleep(10*expiry + time.Millisecond)
		synctest.Wait()
		if len(k.asked) == 0 {
			t.Fatal("nobody has extended the lock")
		}
		if err := k.work.Err(); err != nil || len(k.asked) != 30 || k.asked[0] != expiry/3 {
			t.Errorf("in ten times the expiry it was extended %d times, at first after %v; want 30 "+
				"times, after %v; the work: %v", len(k.asked), k.asked[0], expiry/3, err)
		}
	})
}

func TestTheEndOfTheLock(t *testing.T) {
	for name, c := range map[string]struct {
		answers []func(context.Context) error
		lost    time.Duration
	}{
		"never extended":                 {[]func(context.Context) error{no}, expiry},
		"once no, once yes, and no more": {[]func(context.Context) error{no, yes, no}, 2*expiry/3 + expiry},
		"the first one hangs":            {[]func(context.Context) error{hang}, expiry},
		"all is well, then it hangs": {[]func(context.Context) error{yes, yes, hang},
			2*expiry/3 + expiry},
		"a slow yes counts from the question": {[]func(context.Context) error{slow, no},
			expiry/3 + expiry},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := keep(t.Context(), c.answers...)
				defer k.stop()
				if at := k.lostAt(t); at != c.lost {
					t.Errorf("the work ends after %v, and the lock was over after %v", at, c.lost)
				}
			})
		})
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t.Context(), yes)
		time.Sleep(expiry)
		k.stop()
		before := len(k.asked)
		time.Sleep(10 * expiry)
		if len(k.asked) != before {
			t.Error("the work is done, and the lock is extended all the same")
		}
	})
}

// Who is asked to end in the middle of an extension ends.
func TestStopWhileItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t.Context(), hang)
		time.Sleep(expiry / 2)
		k.stop()
		if at := k.now(); at != expiry/2 {
			t.Errorf("stop waits until %v, and was called at %v", at, expiry/2)
		}
	})
}
