package actors

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"course.example/12-actors/engine"
	"github.com/redis/go-redis/v9"
)

// RedisStore keeps each state in a hash of Redis, and the names of the grain's
// effects in another.
type RedisStore struct {
	client *redis.Client
	script *redis.Script
}

// redisWrite compares and writes in one step: Redis runs a script alone.
//
//go:embed write.lua
var redisWrite string

// NewRedisStore returns a store on that connection pool, which stays the
// caller's to close.
func NewRedisStore(client *redis.Client) *RedisStore {
	return &RedisStore{client: client, script: redis.NewScript(redisWrite)}
}

func (s *RedisStore) Read(ctx context.Context, grain string) (engine.Record, error) {
	fields, err := s.client.HMGet(ctx, stateKey(grain), "version", "data").Result()
	if err != nil {
		return engine.Record{}, by("redis", err)
	}
	version, written := fields[0].(string)
	if !written {
		return engine.Record{}, nil
	}
	data, _ := fields[1].(string)
	number, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return engine.Record{}, fmt.Errorf("redis: version of %s: %w", grain, err)
	}
	return engine.Record{Version: number, Data: []byte(data)}, nil
}

func (s *RedisStore) Write(ctx context.Context, grain string, c engine.Change) error {
	answer, err := s.script.Run(ctx, s.client,
		[]string{stateKey(grain), effectsKey(grain)}, c.Expect, c.Data, c.Effect).Text()
	switch {
	case err != nil:
		return by("redis", err)
	case answer == "stale":
		return engine.ErrStale
	case answer == "done":
		return engine.ErrDone
	case answer != "written":
		return errors.New("redis: the script answered " + answer)
	}
	return nil
}

// Names lets Redis go through all of its keys, some at a time.
func (s *RedisStore) Names(ctx context.Context, kind string, each func(string) error) error {
	prefix := stateKey("")
	keys := s.client.Scan(ctx, 0, stateKey(engine.Key(kind, "*")), 1000).Iterator()
	seen := map[string]bool{} // a scan may tell a key twice
	for keys.Next(ctx) {
		grain := strings.TrimPrefix(keys.Val(), prefix)
		if seen[grain] {
			continue
		}
		seen[grain] = true
		if err := each(grain); err != nil {
			return err
		}
	}
	return by("redis", keys.Err())
}

func (s *RedisStore) Effects(ctx context.Context, grain string) (int64, error) {
	n, err := s.client.HLen(ctx, effectsKey(grain)).Result()
	return n, by("redis", err)
}

func (s *RedisStore) HasEffect(ctx context.Context, grain, effect string) (bool, error) {
	there, err := s.client.HExists(ctx, effectsKey(grain), effect).Result()
	return there, by("redis", err)
}

func stateKey(grain string) string   { return "state:" + grain }
func effectsKey(grain string) string { return "effects:" + grain }
