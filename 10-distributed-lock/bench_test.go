package lock

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/go-redsync/redsync/v4"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// taker takes a lock, waits for it if it must, and returns what gives it back.
type taker func(ctx context.Context) (unlock func(context.Context) error, err error)

// The benchmarks measure in one run, on the same nodes: the least that a lock in
// Redis can be (bare), redsync alone, this step, the lock of a database, and that of etcd.

// BenchmarkLock locks and unlocks a key that nobody else wants, one goroutine,
// and reports how many times a second, and as a share of the bare lock.
func BenchmarkLock(b *testing.B) {
	s, _ := onNodes(b, 5)
	durable := s
	durable.Redis = servicestest.DurableRedis(b, 5).Env()["REDIS_URL"]
	for _, c := range []struct {
		name string
		take taker
	}{
		{"redsync-1", redsyncOn(b, s, 1)},
		{"redsync-3", redsyncOn(b, s, 3)},
		{"redsync-5", redsyncOn(b, s, 5)},
		{"by-hand-5", handOn(b, s, 5)},
		{"ours-1", oursOn(b, s, 1)},
		{"ours-5", oursOn(b, s, 5)},
		{"ours-5-durable", oursOn(b, durable, 5)},
		{"postgres", advisory(b, servicestest.Postgres(b))},
		{"etcd", etcdOn(b)},
	} {
		b.Run(c.name, func(b *testing.B) {
			reference := bare(b, s, time.Millisecond)
			var took, bareTook time.Duration
			const rounds = 20 // taking turns, so that what else goes on meets both alike
			n := max(b.N/rounds, 1)
			for range rounds {
				bareTook += repeat(b, reference, n)
				took += repeat(b, c.take, n)
			}
			b.ReportMetric(float64(n*rounds)/took.Seconds(), "locks/s")
			b.ReportMetric(float64(n*rounds)/bareTook.Seconds(), "bare-locks/s")
			b.ReportMetric(bareTook.Seconds()/took.Seconds(), "x-of-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRetry lets eight contenders take one key in turn, and changes only how
// long they pause between two tries.
func BenchmarkRetry(b *testing.B) {
	s, _ := onNodes(b, 5)
	fixed := redsync.WithRetryDelay
	for _, c := range []struct {
		name string
		make func() taker
	}{
		{"bare/pause=1ms", func() taker { return bare(b, s, time.Millisecond) }},
		{"redsync-1/pause=default", func() taker { return redsyncOn(b, s, 1) }},
		{"redsync-1/pause=1ms", func() taker {
			return redsyncOn(b, s, 1, fixed(time.Millisecond))
		}},
		{"redsync-5/pause=default", func() taker { return redsyncOn(b, s, 5) }},
		{"redsync-5/pause=1ms", func() taker {
			return redsyncOn(b, s, 5, fixed(time.Millisecond))
		}},
		{"ours-5/pause=1-20ms", func() taker { return oursOn(b, s, 5) }},
	} {
		b.Run(c.name, func(b *testing.B) { contend(b, 8, 0, c.make) })
	}
	b.Run("postgres/queue", func(b *testing.B) {
		url := servicestest.Postgres(b)
		contend(b, 8, 0, func() taker { return advisory(b, url) })
	})
	b.Run("etcd/queue", func(b *testing.B) {
		contend(b, 8, 0, func() taker { return etcdOn(b) })
	})
}

// BenchmarkContention is the same for 1 to 64 contenders that hold the lock for a
// millisecond each.
func BenchmarkContention(b *testing.B) {
	s, _ := onNodes(b, 5)
	s.Wait = 5 * time.Minute
	url := servicestest.Postgres(b)
	for _, n := range []int{1, 2, 4, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("ours-5/contenders=%d", n), func(b *testing.B) {
			contend(b, n, time.Millisecond, func() taker { return oursOn(b, s, 5) })
		})
		b.Run(fmt.Sprintf("postgres/contenders=%d", n), func(b *testing.B) {
			contend(b, n, time.Millisecond, func() taker { return advisory(b, url) })
		})
		b.Run(fmt.Sprintf("etcd/contenders=%d", n), func(b *testing.B) {
			contend(b, n, time.Millisecond, func() taker { return etcdOn(b) })
		})
	}
}

// BenchmarkHandover is how long the next one waits for a holder that was killed,
// in parts of the expiry.
func BenchmarkHandover(b *testing.B) {
	s, _ := onNodes(b, 5)
	s.Wait = time.Minute
	for _, s.Expiry = range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
		b.Run("expiry="+s.Expiry.String(), func(b *testing.B) {
			first, second := locker(b, s, nil), locker(b, s, nil)
			var waited time.Duration
			for range b.N {
				abandon(acquire(b, first, "order"))
				killed := time.Now()
				lease := acquire(b, second, "order")
				waited += time.Since(killed)
				release(b, lease)
			}
			mean := waited / time.Duration(b.N)
			b.ReportMetric(float64(mean.Milliseconds()), "ms")
			b.ReportMetric(mean.Seconds()/s.Expiry.Seconds(), "x-of-expiry")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("etcd/lease=2s", benchmarkEtcdHandover)
}

// contend lets contenders take one lock b.N times in all, each as often as it can,
// and reports how often, how long they waited, and how evenly it was shared out:
// Jain's index, which is 1 when all have had it equally often, and 1/n when one has
// had it alone (Jain, Chiu and Hawe, 1984).
func contend(b *testing.B, contenders int, hold time.Duration, newTaker func() taker) {
	b.Helper()
	takers := make([]taker, contenders)
	for i := range takers {
		takers[i] = newTaker()
	}
	// From a microsecond to five minutes, to three significant digits.
	waits := hdrhistogram.New(1, (5 * time.Minute).Microseconds(), 3)
	had := make([]float64, contenders)
	var mu sync.Mutex
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ResetTimer()
	for i, take := range takers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				asked := time.Now()
				unlock, err := take(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				waited := time.Since(asked)
				pause(hold)
				if err := unlock(b.Context()); err != nil {
					b.Error(err)
				}
				mu.Lock()
				had[i]++
				err = waits.RecordValue(max(1, waited.Microseconds()))
				mu.Unlock()
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "locks/s")
	b.ReportMetric(float64(waits.ValueAtPercentile(50))/1000, "p50-ms")
	b.ReportMetric(float64(waits.ValueAtPercentile(99))/1000, "p99-ms")
	b.ReportMetric(jain(had), "jain")
	b.ReportMetric(0, "ns/op")
}

func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

func TestJain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{[]float64{5, 5, 5, 5}, 1}, {[]float64{8, 0, 0, 0}, 0.25}, {slices.Repeat([]float64{1}, 64), 1},
	} {
		if got := jain(c.shares); got != c.want {
			t.Errorf("jain(%v) = %v, want %v", c.shares, got, c.want)
		}
	}
}

func repeat(b *testing.B, take taker, n int) time.Duration {
	b.Helper()
	began := time.Now()
	for range n {
		unlock, err := take(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := unlock(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// bare is what a lock on one node comes down to: SET with NX and PX, and a script
// that deletes the key if it is still ours.
func bare(b *testing.B, s Settings, retry time.Duration) taker {
	b.Helper()
	s.Nodes = 1
	client := locker(b, s, nil).nodes.clients[0]
	script := redis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("DEL", KEYS[1])
	end`)
	var value atomic.Int64
	return func(ctx context.Context) (func(context.Context) error, error) {
		own := fmt.Sprintf("%p-%d", client, value.Add(1))
		for {
			ok, err := client.SetNX(ctx, "bare", own, 8*time.Second).Result()
			if err != nil {
				return nil, err
			}
			if ok {
				return func(ctx context.Context) error {
					return script.Run(ctx, client, []string{"bare"}, own).Err()
				}, nil
			}
			pause(retry)
		}
	}
}

// redsyncOn is redsync alone, without watchdog and token.
func redsyncOn(b *testing.B, s Settings, nodes int, options ...redsync.Option) taker {
	b.Helper()
	s.Nodes = nodes
	rs := newByRedsync(locker(b, s, nil).nodes, s.Expiry).redsync
	key := fmt.Sprintf("redsync-%d", nodes)
	options = append([]redsync.Option{redsync.WithTries(1 << 30)}, options...)
	return func(ctx context.Context) (func(context.Context) error, error) {
		mutex := rs.NewMutex(key, options...)
		return func(ctx context.Context) error {
			_, err := mutex.UnlockContext(ctx)
			return err
		}, mutex.LockContext(ctx)
	}
}

// handOn is our Redlock alone, of which one attempt is enough.
func handOn(b *testing.B, s Settings, nodes int) taker {
	b.Helper()
	s.Nodes = nodes
	r := byHand{locker(b, s, nil).nodes, s.Expiry}
	return func(ctx context.Context) (func(context.Context) error, error) {
		g, err := r.Try(ctx, "by-hand")
		if err != nil {
			return nil, err
		}
		return g.Release, nil
	}
}

func oursOn(b *testing.B, s Settings, nodes int) taker {
	b.Helper()
	s.Nodes = nodes
	l := locker(b, s, nil)
	key := fmt.Sprintf("ours-%d", nodes)
	return func(ctx context.Context) (func(context.Context) error, error) {
		lease, err := l.Acquire(ctx, key)
		if err != nil {
			return nil, err
		}
		return lease.Release, nil
	}
}

// advisory is a lock of a Postgres session: it lasts as long as its connection, and
// who waits stands in a queue and is told.
func advisory(b *testing.B, url string) taker {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	unlock := func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", 1)
		return err
	}
	return func(ctx context.Context) (func(context.Context) error, error) {
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", 1)
		return unlock, err
	}
}
