// Package watchdog extends a lock while the work under it goes on.
package watchdog

import (
	"context"
	"errors"
	"time"
)

// ErrLost says that the lock was over before it could be extended.
var ErrLost = errors.New("the lock is lost")

// Keep extends a lock that was just asked for, and lasts for the expiry. The context that it returns
// is for the work: it ends when the lock is lost, with ErrLost as its cause. Call stop when the work
// is done.
func Keep(
	ctx context.Context, expiry time.Duration, extend func(context.Context) error,
) (work context.Context, stop func()) {
	work, lose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	until := time.Now().Add(expiry)
	go func() {
		defer close(done)
		tick := time.NewTicker(expiry / 3)
		defer tick.Stop()
		for {
			held, cancel := context.WithDeadline(work, until)
			select {
			case <-held.Done():
			case <-tick.C:
				asked := time.Now()
				if err := extend(held); err == nil && held.Err() == nil {
					until = asked.Add(expiry)
				}
			}
			cancel()
			switch {
			case work.Err() != nil:
				return
			case !time.Now().Before(until):
				lose(ErrLost)
				return
			}
		}
	}()
	return work, func() {
		lose(context.Canceled)
		<-done
	}
}
