package lock

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
)

// byRedsync is the same algorithm, as a library has it. Safe for concurrent use.
type byRedsync struct {
	nodes   *Nodes
	expiry  time.Duration
	redsync *redsync.Redsync
}

func newByRedsync(nodes *Nodes, expiry time.Duration) byRedsync {
	var pools []redsyncredis.Pool
	for _, c := range nodes.clients {
		pools = append(pools, goredis.NewPool(c))
	}
	return byRedsync{nodes, expiry, redsync.New(pools...)}
}

// Try asks all nodes once, at the same time.
func (r byRedsync) Try(ctx context.Context, key string) (grant, error) {
	mutex := r.redsync.NewMutex(key,
		redsync.WithExpiry(r.expiry), redsync.WithTimeoutFactor(answerShare))
	if err := mutex.TryLockContext(ctx); err != nil {
		return nil, r.nodes.refusal(votesIn(err, len(r.nodes.clients)))
	}
	return &mutexHeld{Mutex: mutex, by: r}, nil
}

type mutexHeld struct {
	*redsync.Mutex
	by byRedsync
}

func (h *mutexHeld) Owner() string { return h.Value() }

// Extend tells of the lock where it is not known (SetNX) only after a majority has said
// that it is: with the option on the first question already, redsync would take a lock
// anew that somebody else has had since.
func (h *mutexHeld) Extend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.by.nodes.patience)
	defer cancel()
	if _, err := h.ExtendContext(ctx); err != nil {
		if errors.As(err, new(*redsync.ErrTaken)) {
			return ErrStolen
		}
		return h.by.nodes.refusal(votesIn(err, len(h.by.nodes.clients)))
	}
	again := h.by.redsync.NewMutex(h.Name(), redsync.WithValue(h.Value()),
		redsync.WithExpiry(h.by.expiry), redsync.WithSetNXOnExtend())
	_, _ = again.ExtendContext(ctx) // the next extension tries again
	return nil
}

// Release deletes the key where it is ours.
func (h *mutexHeld) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.by.nodes.patience)
	defer cancel()
	_, err := h.UnlockContext(ctx)
	return err
}

// votesIn reads from redsync's error how the nodes have voted.
func votesIn(err error, nodes int) ballot {
	votes := make(ballot, nodes)
	each(err, func(leaf error) {
		if failed := new(redsync.RedisError); errors.As(leaf, &failed) && failed.Node < nodes {
			votes[failed.Node] = vote{err: failed.Err}
		}
	})
	return votes
}

// each visits the errors that were joined into one.
func each(err error, visit func(error)) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			each(one, visit)
		}
		return
	}
	visit(err)
}
