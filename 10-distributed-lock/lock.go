package lock

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-redsync/redsync/v4"
)

// ErrTaken says that somebody else has the lock.
var ErrTaken = errors.New("somebody else has the lock")

// Fence gives out fencing tokens: for each key numbers that only ever grow, also
// across crashes. Redis is no place for them, see [Account.Draw].
type Fence interface {
	Draw(ctx context.Context, key string) (int64, error)
}

// Locker takes locks in Redis: in one node, or with several in a majority of them,
// which is Redlock (redis.io/docs/latest/develop/clients/patterns/distributed-locks).
//
// The algorithm is redsync's. A lock is a key with a random value, set where it
// does not exist (NX) and gone by itself after the expiry (PX). The value is the
// owner's proof: only who knows it may extend the key or delete it. Added here are
// the waiting, the watchdog and the fencing token. Safe for concurrent use.
type Locker struct {
	settings Settings
	nodes    *Nodes
	redsync  *redsync.Redsync
	stolen   atomic.Int64 // leases that ended before their time

	// What the wrong variants change.
	fence  Fence
	expiry time.Duration
	renew  bool
	unlock func(context.Context, *redsync.Mutex) error
}

// NewLocker returns a locker on the nodes. A nil fence gives out no tokens.
func NewLocker(settings Settings, nodes *Nodes, fence Fence) *Locker {
	l := &Locker{
		settings: settings,
		nodes:    nodes,
		redsync:  redsync.New(nodes.pools()...),
		fence:    fence,
		expiry:   settings.Expiry,
		renew:    true,
		unlock:   unlockOwn,
	}
	if !settings.Fencing {
		l.fence = nil
	}
	if change := variants[settings.Variant]; change != nil {
		change(l)
	}
	return l
}

// Acquire takes the lock of that name. It waits for it up to Settings.Wait, with
// growing pauses, or tries once when that is 0. It returns [ErrTaken] when somebody
// else has it, [ErrNoQuorum] when too few nodes answer, and otherwise a lease, which
// must be released.
func (l *Locker) Acquire(ctx context.Context, key string) (*Lease, error) {
	mutex, err := l.wait(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", key, err)
	}
	lease := l.hold(ctx, key, mutex)
	if l.fence == nil {
		return lease, nil
	}
	// Drawn after the lock is held, so that a later holder has a higher token.
	// Drawn before, a patient waiter would come in with a number from long ago.
	lease.Token, err = l.fence.Draw(lease.Context(), key)
	if err != nil {
		err = fmt.Errorf("draw a fencing token for %s: %w", key, err)
		return nil, errors.Join(err, lease.Release(ctx))
	}
	return lease, nil
}

func (l *Locker) wait(ctx context.Context, key string) (*redsync.Mutex, error) {
	if l.settings.Wait == 0 {
		return l.try(ctx, key)
	}
	// Nobody is told when a lock becomes free: all who wait ask again and again.
	// The jitter keeps them from asking in step, and the pause is the time that a
	// free lock lies idle. Redlock needs it besides: when several take some nodes
	// each, and nobody a majority, they must come back at different times.
	return backoff.Retry(ctx,
		func() (*redsync.Mutex, error) { return l.try(ctx, key) },
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval:     min(time.Millisecond, l.settings.Retry),
			MaxInterval:         l.settings.Retry,
			Multiplier:          2,
			RandomizationFactor: 0.5,
		}),
		backoff.WithMaxElapsedTime(l.settings.Wait))
}

// answerShare is the part of the expiry within which a node must have answered. A
// lock is valid from before the first node was asked: what is spent on asking is
// missing when the work is done.
const answerShare = 0.1

// patience is how long all nodes together may take for one answer.
func (l *Locker) patience() time.Duration {
	return min(nodeTimeout, time.Duration(answerShare*float64(l.expiry)))
}

// try asks every node once, all at the same time.
func (l *Locker) try(ctx context.Context, key string) (*redsync.Mutex, error) {
	if err := ctx.Err(); err != nil {
		return nil, backoff.Permanent(err)
	}
	mutex := l.redsync.NewMutex("lock:"+key,
		redsync.WithExpiry(l.expiry), redsync.WithTimeoutFactor(answerShare))
	// An attempt is not to be cut off in the middle: the keys that it has set in a
	// minority of nodes would stay there until they expire, in everybody's way.
	err := mutex.TryLockContext(context.WithoutCancel(ctx))
	if err != nil {
		return nil, l.nodes.explain(err)
	}
	return mutex, nil
}

// unlockOwn deletes the key in every node where it still has our value. To compare
// and to delete must be one step, or another's lock could be deleted in between:
// redsync does both in a Lua script, which Redis runs as a whole.
func unlockOwn(ctx context.Context, mutex *redsync.Mutex) error {
	_, err := mutex.UnlockContext(ctx)
	return err
}
