// Package lock is a lock on one Redis node.
package lock

import (
	"context"
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
}

// Take takes the lock of that name until it is released, or expires.
func Take(ctx context.Context, client *redis.Client, key string, expiry time.Duration) (*Lock, error) {
	free, err := client.SetNX(ctx, key, "taken", 0).Result()
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, ErrTaken
	}
	if err := client.PExpire(ctx, key, expiry).Err(); err != nil {
		return nil, err
	}
	return &Lock{client: client, key: key}, nil
}

// Release gives the lock back.
func (l *Lock) Release(ctx context.Context) error {
	return l.client.Del(ctx, l.key).Err()
}
