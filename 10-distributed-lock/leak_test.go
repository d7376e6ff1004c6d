package lock

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	s, do := onNodes(t, 3)
	s.Expiry = 500 * time.Millisecond
	others := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) {
		a, id := opened(t)
		stop := billing(t, s, a)
		eventually(t, "settled", settled(t, a))
		stop()
		l := locker(t, s, a)
		lease := acquire(t, l, id)
		do("kill", 1)
		do("kill", 2)
		if err := lost(t, lease); !errors.Is(err, ErrExpired) {
			t.Errorf("lost because %v, want ErrExpired", err)
		}
	})
	goleak.VerifyNone(t, others)
}
