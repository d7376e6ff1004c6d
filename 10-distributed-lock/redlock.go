package lock

import (
	"context"
	"crypto/rand"
	"time"
)

// byHand is Redlock as Redis's manual tells it (redis.io/docs, "Distributed Locks with
// Redis"), on one node or on several. A lock is a key with a random value, set where
// there is none (NX) and gone by itself after the expiry (PX). Who has it on a majority
// of the nodes has the lock: any two majorities share a node. Safe for concurrent use.
type byHand struct {
	nodes  *Nodes
	expiry time.Duration
}

// held is a lock that a majority has given. The random value proves whose it is.
type held struct {
	byHand
	key, owner string
	until      time.Time
}

// Try asks all nodes once, at the same time.
func (r byHand) Try(ctx context.Context, key string) (grant, error) {
	h := &held{byHand: r, key: key, owner: rand.Text()}
	began := time.Now()
	votes := r.nodes.ask(ctx, "SET", key, h.owner, "NX", "PX", r.expiry.Milliseconds())
	h.until = r.endOf(began)
	if votes.of(yes) >= r.nodes.Quorum() && time.Now().Before(h.until) {
		return h, nil
	}
	// On every node: where there was no answer, there may be a key.
	_ = h.Release(ctx) // what cannot be deleted expires
	return nil, r.nodes.refusal(votes)
}

// endOf is when a lock ends that was asked for at that time: counted from before the
// first question, less a hundredth for clocks that do not run at the same speed.
func (r byHand) endOf(began time.Time) time.Time { return began.Add(r.expiry - r.expiry/100) }

// Extend sets the expiry anew where the key is ours. With a majority it succeeds, and
// only then tells the nodes that do not know the lock. They have been restarted and
// forgot it: nodes restarted one after the other would use up the majority of a long lock.
func (h *held) Extend(ctx context.Context) error {
	began := time.Now()
	votes := h.nodes.ask(ctx, "EVAL", extendOwn, 1, h.key, h.owner, h.expiry.Milliseconds())
	switch {
	case votes.of(missing)+votes.of(no) >= h.nodes.Quorum():
		return ErrStolen
	case votes.of(yes) < h.nodes.Quorum():
		return h.nodes.refusal(votes)
	}
	h.until = h.endOf(began)
	if votes.of(missing) > 0 { // where the key is, this changes nothing
		h.nodes.ask(ctx, "SET", h.key, h.owner, "NX", "PX", h.expiry.Milliseconds())
	}
	return nil
}

// Release deletes the key where it is ours.
func (h *held) Release(ctx context.Context) error {
	votes := h.nodes.ask(ctx, "EVAL", deleteOwn, 1, h.key, h.owner)
	if votes.of(yes) < h.nodes.Quorum() {
		return h.nodes.refusal(votes)
	}
	return nil
}

func (h *held) Owner() string    { return h.owner }
func (h *held) Until() time.Time { return h.until }

// To compare and to change must be one step, or another's key could be changed in
// between. Redis runs a script as a whole.
const (
	extendOwn = `local owner = redis.call("GET", KEYS[1])
		if not owner then return -1 end
		if owner ~= ARGV[1] then return 0 end
		return redis.call("PEXPIRE", KEYS[1], ARGV[2])`
	deleteOwn = `if redis.call("GET", KEYS[1]) ~= ARGV[1] then return -1 end
		return redis.call("DEL", KEYS[1])`
)
