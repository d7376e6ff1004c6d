package channels

import (
	"context"
	"errors"
	"time"
)

// errTooLate is why an order is given up at the end of a drain.
var errTooLate = errors.New("given up: the time to drain was over")

// outlive returns a context that ends the given time after its parent, for the
// stated cause. It is what a drain needs: SIGTERM ends the parent, which says
// "take no more", and the work in progress still has a context that is alive, for a
// time that somebody has chosen. Without a bound, the one who sent SIGTERM
// chooses: Docker sends SIGKILL after ten seconds, Kubernetes after thirty.
//
// The returned function releases what the context holds.
func outlive(
	parent context.Context, by time.Duration, cause error,
) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		deadline := time.NewTimer(by)
		defer deadline.Stop()
		select {
		case <-deadline.C:
			cancel(cause)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
