package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// The two ways to lose a lock.
var (
	// ErrExpired says that the lock ran out before it could be extended: this
	// process stood still, or could not reach a majority in time.
	ErrExpired = errors.New("the lock has expired")
	// ErrStolen says that a majority of nodes no longer has our key, though its
	// time is not over: somebody deleted it, or the nodes have forgotten it.
	ErrStolen = errors.New("the lock is gone before its time")
)

// Lease is a lock that is held, until its expiry and no longer. It is called a
// lease (Gray and Cheriton, 1989) because it ends by itself: a holder that dies
// keeps nobody waiting forever, and a holder that lives must know when it ends.
type Lease struct {
	Key   string
	Owner string // the random value that is the proof of ownership
	Token int64  // the fencing token, 0 without a sequencer

	locker *Locker
	grant  grant
	until  atomic.Pointer[time.Time]
	ctx    context.Context
	lose   context.CancelCauseFunc
	stop   context.CancelFunc // ends the watchdog
	done   chan struct{}
}

func (l *Locker) hold(ctx context.Context, key string, g grant) *Lease {
	lease := &Lease{
		Key: key, Owner: g.Owner(),
		locker: l, grant: g, done: make(chan struct{}),
	}
	until := g.Until()
	lease.until.Store(&until)
	// A holder that is asked to end finishes what it has in progress.
	lease.ctx, lease.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	watching, stop := context.WithCancel(lease.ctx)
	lease.stop = stop
	if !l.renew {
		close(lease.done)
		return lease
	}
	go lease.watch(watching, l.expiry/3)
	return lease
}

// Context ends when the lock is lost, with [ErrExpired] or [ErrStolen] as its
// cause, or is released. All work under the lock belongs to it.
func (l *Lease) Context() context.Context { return l.ctx }

// Err returns why the lock is not held any more, or nil while it is. It looks at
// the clock: a process that was stopped may ask before its timers have fired. What
// is true here need not be true a microsecond later, which is what the fencing
// token is for.
func (l *Lease) Err() error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if l.locker.renew && !time.Now().Before(l.Until()) {
		return ErrExpired
	}
	return nil
}

// Until is when the lease ends if it is not extended, by this process's clock. It
// is some time before the keys expire: what the asking took is taken off, and a
// hundredth of the expiry for clocks that do not run at the same speed.
func (l *Lease) Until() time.Time { return *l.until.Load() }

// watch is the watchdog: it extends the lease at every third of its expiry, so
// that two attempts may fail, and ends the work when the lease is lost.
func (l *Lease) watch(ctx context.Context, every time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	end := time.NewTimer(time.Until(l.Until()))
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
		case <-tick.C:
		}
		err := l.extend(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrExpired), errors.Is(err, ErrStolen):
			l.lost(err)
			return
		case err != nil:
			slog.WarnContext(ctx, "lock not extended yet", "order", l.Key, "reason", err,
				"ends_in", time.Until(l.Until()))
		}
		end.Reset(time.Until(l.Until()))
	}
}

// extend sets the expiry anew in every node that has our key, and counts.
func (l *Lease) extend(ctx context.Context) error {
	if !time.Now().Before(l.Until()) {
		return ErrExpired
	}
	err := l.grant.Extend(ctx)
	if errors.Is(err, ErrStolen) && !time.Now().Before(l.Until()) {
		return ErrExpired // and so it is no wonder that the keys are gone
	}
	if err != nil {
		return err
	}
	until := l.grant.Until()
	l.until.Store(&until)
	return nil
}

func (l *Lease) lost(err error) {
	stolen := l.locker.stolen.Load()
	if errors.Is(err, ErrStolen) {
		stolen = l.locker.stolen.Add(1)
	}
	slog.WarnContext(l.ctx, "lock lost", "order", l.Key, "reason", err,
		"stolen", stolen)
	l.lose(err)
}

// Release gives the lock back, so that the next one need not wait for its expiry.
// It ends the lease's context. To release a lease that was lost is no error: there
// may be a minority of nodes left in which to clean up.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	lost := l.Err() != nil
	l.lose(context.Canceled)
	err := l.locker.release(context.WithoutCancel(ctx), keyPrefix+l.Key, l.grant)
	if err != nil && !lost {
		// The work is done and nothing is wrong with it: the next one waits for
		// the expiry, that is all.
		return fmt.Errorf("release the lock of %s: %w", l.Key, err)
	}
	return nil
}
