//go:build exercise

package atmost

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errBounced = errors.New("the e-mail bounced")
	errClosed  = errors.New("the office closes")
)

// calls counts what is called, and how many at the same time.
type calls struct {
	mu              sync.Mutex
	now, most, made int
}

func (c *calls) begin() (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	c.now++
	c.most = max(c.most, c.now)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}
}

func TestEach(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name           string
		n, fails       int // the call that fails, -1 for none
		closes         time.Duration
		made           int
		want           error
		takes, longest time.Duration // longest is how long call 0 takes, the others a second
	}{
		{"all of them", 100, -1, 0, 100, nil, 10 * second, second},
		{"the next begins when one ends", 19, -1, 0, 19, nil, 2 * second, 2 * second},
		{"none is begun after an error", 100, 25, 0, 30, errBounced, 2900 * time.Millisecond, second},
		{"those that run are told", 100, 5, 0, 10, errBounced, 900 * time.Millisecond, time.Hour},
		{"the caller goes", 100, -1, 2500 * time.Millisecond, 30, errClosed, 2500 * time.Millisecond, second},
		{"nothing to do", 0, -1, 0, 0, nil, 0, second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, closes := context.WithCancelCause(t.Context())
			defer closes(nil)
			if c.closes > 0 {
				time.AfterFunc(c.closes, func() { closes(errClosed) })
			}
			var seen calls
			began := time.Now()
			err := Each(ctx, c.n, 10, func(ctx context.Context, i int) error {
				defer seen.begin()()
				takes := time.Second
				switch i {
				case 0:
					takes = c.longest
				case c.fails:
					takes = 900 * time.Millisecond // before the others of its round
				}
				select {
				case <-time.After(takes):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if i == c.fails {
					return errBounced
				}
				return nil
			})
			if seen.made != c.made || seen.most > 10 || !errors.Is(err, c.want) {
				t.Errorf("%s: %d calls, %d at once, %v; want %d, at most 10, %v",
					c.name, seen.made, seen.most, err, c.made, c.want)
			}
			if took := time.Since(began); took != c.takes || seen.now != 0 {
				t.Errorf("%s: it returned after %v with %d calls in work, want %v and 0",
					c.name, took, seen.now, c.takes)
			}
		})
	}
}
