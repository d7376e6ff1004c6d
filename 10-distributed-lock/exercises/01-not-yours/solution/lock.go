// Package lock is a lock on one Redis node.
package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrTaken says that somebody else has the lock.
var ErrTaken = errors.New("somebody else has the lock")

// Lock is a lock that was taken.
type Lock struct {
	client *redis.Client
	key    string
	owner  string // the value of the key, as long as it is ours
}

// Take takes the lock of that name until it is released, or expires.
func Take(ctx context.Context, client *redis.Client, key string, expiry time.Duration) (*Lock, error) {
	owner := rand.Text()
	free, err := client.SetNX(ctx, key, owner, expiry).Result()
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, ErrTaken
	}
	return &Lock{client: client, key: key, owner: owner}, nil
}

// Release gives the lock back, if it is still ours.
func (l *Lock) Release(ctx context.Context) error {
	const deleteOwn = `if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("DEL", KEYS[1]) end return 0`
	return l.client.Eval(ctx, deleteOwn, []string{l.key}, l.owner).Err()
}
