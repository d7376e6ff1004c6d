package lock

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// ErrTaken says that somebody else has the lock.
var ErrTaken = errors.New("somebody else has the lock")

// Sequencer gives out fencing tokens: for each key numbers that only ever grow, also
// across crashes. Redis is no place for them, see [Account.Draw]. (A sequencer is what
// Burrows calls the token itself, in the Chubby paper of 2006.)
type Sequencer interface {
	Draw(ctx context.Context, key, owner string) (int64, error)
}

// algorithm tries once to take a lock. It returns [ErrTaken] when somebody else has it,
// and [ErrNoQuorum] when too few nodes can lock.
type algorithm interface {
	Try(ctx context.Context, key string) (grant, error)
}

// grant is a lock that was given until some time, by this process's clock.
type grant interface {
	Owner() string
	Until() time.Time
	Extend(ctx context.Context) error
	Release(ctx context.Context) error
}

// Locker takes locks in Redis: in one node, or with several in a majority of them. The
// algorithm is Redlock, by hand or from a library. Added here are the waiting, the
// watchdog and the fencing token. Safe for concurrent use.
type Locker struct {
	settings Settings
	nodes    *Nodes
	stolen   atomic.Int64 // leases that ended before their time

	// What the wrong variants change.
	sequencer Sequencer
	expiry    time.Duration
	renew     bool
	release   func(ctx context.Context, key string, g grant) error
}

// NewLocker returns a locker on the nodes. A nil sequencer gives out no tokens.
func NewLocker(settings Settings, nodes *Nodes, sequencer Sequencer) *Locker {
	l := &Locker{
		settings:  settings,
		nodes:     nodes,
		sequencer: sequencer,
		expiry:    settings.Expiry,
		renew:     true,
		release:   func(ctx context.Context, _ string, g grant) error { return g.Release(ctx) },
	}
	if !settings.Fencing {
		l.sequencer = nil
	}
	if change := variants[settings.Variant]; change != nil {
		change(l)
	}
	return l
}

// algorithm is Redlock by hand, or that of the library.
func (l *Locker) algorithm() algorithm {
	if l.settings.Redlock == redlockRedsync {
		return newByRedsync(l.nodes, l.expiry)
	}
	return byHand{l.nodes, l.expiry}
}

// Acquire takes the lock of that name. It waits for it up to Settings.Wait, with
// growing pauses, or tries once when that is 0. It returns [ErrTaken] when somebody
// else has it, [ErrNoQuorum] when too few nodes can lock, and otherwise a lease, which
// must be released.
func (l *Locker) Acquire(ctx context.Context, key string) (*Lease, error) {
	g, err := l.wait(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", key, err)
	}
	lease := l.hold(ctx, key, g)
	if err := l.number(lease); err != nil {
		err = fmt.Errorf("a fencing token for %s: %w", key, err)
		return nil, errors.Join(err, lease.Release(ctx))
	}
	return lease, nil
}

// number draws the lease's token, and looks at the lease once more. The token is drawn
// in a second step: who stands still between the two may draw after the next holder has,
// and would have the higher number. A token that was drawn while the lock was held is
// higher than that of every holder before. So a later holder has a higher token as long
// as the lock itself keeps holders apart. Where it does not, the account still lets one
// of them through and not the other.
func (l *Locker) number(lease *Lease) (err error) {
	if l.sequencer == nil {
		return nil
	}
	lease.Token, err = l.sequencer.Draw(lease.Context(), lease.Key, lease.Owner)
	if err != nil {
		return err
	}
	return lease.Err()
}

func (l *Locker) wait(ctx context.Context, key string) (grant, error) {
	redlock := l.algorithm()
	try := func() (grant, error) {
		if err := ctx.Err(); err != nil {
			return nil, backoff.Permanent(err)
		}
		// An attempt is not to be cut off in the middle: the keys that it has set in a
		// minority of nodes would stay there until they expire, in everybody's way.
		return redlock.Try(context.WithoutCancel(ctx), keyPrefix+key)
	}
	if l.settings.Wait == 0 {
		return try()
	}
	// Nobody is told when a lock becomes free: all who wait ask again and again.
	// The jitter keeps them from asking in step, and the pause is the time that a
	// free lock lies idle. Redlock needs it besides: when several take some nodes
	// each, and nobody a majority, they must come back at different times.
	return backoff.Retry(ctx, try,
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval:     min(time.Millisecond, l.settings.Retry),
			MaxInterval:         l.settings.Retry,
			Multiplier:          2,
			RandomizationFactor: 0.5,
		}),
		backoff.WithMaxElapsedTime(l.settings.Wait))
}

// keyPrefix begins the names of all keys.
const keyPrefix = "lock:"
