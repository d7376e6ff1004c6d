package actors

import (
	"context"
	"fmt"
	"testing"
	"time"

	"course.example/12-actors/engine"
	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// BenchmarkDurable is what it costs that a state is on disk before the store says yes: writes a
// second to a store that syncs, and the same as a share of a Redis beside it that does not.
func BenchmarkDurable(b *testing.B) {
	pool, err := pgxpool.New(b.Context(), servicestest.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	postgres, err := NewPostgresStore(b.Context(), pool)
	if err != nil {
		b.Fatal(err)
	}
	volatile := redisAt(b, servicestest.RedisNodes(b, 1)[0].URL)
	for _, c := range []struct {
		name  string
		store engine.Store
	}{
		{"redis", redisAt(b, servicestest.DurableRedis(b, 1)[0].URL)}, {"postgres", postgres},
	} {
		for _, writers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/writers=%d", c.name, writers), func(b *testing.B) {
				const rounds = 20 // taking turns, so that what else goes on meets both alike
				each := max(b.N/rounds/writers, 1)
				var synced, reference time.Duration
				for round := range rounds {
					run := fmt.Sprintf("%s-%d-%d-%d", c.name, writers, b.N, round)
					reference += writeAll(b, volatile, run, writers, each)
					synced += writeAll(b, c.store, run, writers, each)
				}
				n := float64(rounds * writers * each)
				b.ReportMetric(n/synced.Seconds(), "writes/s")
				b.ReportMetric(n/reference.Seconds(), "volatile-writes/s")
				b.ReportMetric(reference.Seconds()/synced.Seconds(), "x-of-volatile")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func redisAt(b *testing.B, url string) engine.Store {
	b.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	options.PoolSize = 32
	client := redis.NewClient(options)
	b.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.Error(err)
		}
	})
	return NewRedisStore(client)
}

// writeAll lets so many writers write the state of a grain of their own so often, and returns how
// long it took.
func writeAll(b *testing.B, store engine.Store, run string, writers, each int) time.Duration {
	b.Helper()
	begun := time.Now()
	group, ctx := errgroup.WithContext(b.Context())
	for w := range writers {
		group.Go(func() error { return writeOne(ctx, store, fmt.Sprintf("Bench/%s/%d", run, w), each) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

func writeOne(ctx context.Context, store engine.Store, grain string, times int) error {
	for i := range times {
		change := engine.Change{Expect: int64(i), Data: []byte(`{"left":100}`), Effect: fmt.Sprint(i)}
		if err := store.Write(ctx, grain, change); err != nil {
			return err
		}
	}
	return nil
}
