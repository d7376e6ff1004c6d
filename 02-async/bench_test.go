package async

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// The benchmarks measure a thing and its reference in the same run, in turns, so
// that what else the machine does meets both alike, and report the ratio.

// BenchmarkCall is the price of not waiting: the same work, which takes no time,
// called directly, over a goroutine and a channel, and as a future.
func BenchmarkCall(b *testing.B) {
	ctx := b.Context()
	work := func(context.Context) (int, error) { return 7, nil }
	direct := func() (int, error) { return work(ctx) }
	channel := func() (int, error) {
		type result struct {
			value int
			err   error
		}
		results := make(chan result, 1)
		go func() {
			value, err := work(ctx)
			results <- result{value, err}
		}()
		r := <-results
		return r.value, r.err
	}
	future := func() (int, error) { return Go(ctx, work).Await(ctx) }
	for _, c := range []struct {
		name string
		call func() (int, error)
	}{{"channel", channel}, {"future", future}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs() // the direct call has none
			var took, reference time.Duration
			const round = 100
			for left := b.N; left > 0; left -= round {
				n := min(round, left)
				reference += repeat(b, n, direct)
				took += repeat(b, n, c.call)
			}
			b.ReportMetric(took.Seconds()/reference.Seconds(), "x-of-direct")
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
			b.ReportMetric(float64(reference.Nanoseconds())/float64(b.N), "direct-ns/op")
		})
	}
	b.Run("future/channel", func(b *testing.B) {
		var took, reference time.Duration
		const round = 100
		for left := b.N; left > 0; left -= round {
			n := min(round, left)
			reference += repeat(b, n, channel)
			took += repeat(b, n, future)
		}
		b.ReportMetric(took.Seconds()/reference.Seconds(), "x-of-channel")
		b.ReportMetric(0, "ns/op")
	})
}

func repeat(b *testing.B, n int, call func() (int, error)) time.Duration {
	began := time.Now()
	for range n {
		if value, err := call(); value != 7 || err != nil {
			b.Fatal(value, err)
		}
	}
	return time.Since(began)
}

// BenchmarkWaiting is what it costs to wait a hundred thousand times at once: in
// bytes of memory that the process has from the system for it.
func BenchmarkWaiting(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		wait func(ctx context.Context)
	}{
		{"goroutines", 100_000, func(ctx context.Context) { <-ctx.Done() }},
		{"futures", 100_000, func(ctx context.Context) {
			_, err := Go(ctx, func(ctx context.Context) (int, error) {
				return 0, Sleep(ctx, time.Hour)
			}).Await(ctx)
			_ = err // that the context has ended is how this ends
		}},
		// Go gives up at 10,000 threads, long before a hundred thousand.
		{"threads", 1000, func(ctx context.Context) {
			runtime.LockOSThread() // and never unlocked: the thread ends with it
			<-ctx.Done()
		}},
	} {
		b.Run(fmt.Sprintf("%s=%d", c.name, c.n), func(b *testing.B) {
			var bytes, took float64
			for range b.N {
				size, begun := waiting(b, c.n, c.wait)
				bytes += size
				took += begun.Seconds()
			}
			b.ReportMetric(bytes/float64(b.N*c.n), "B/wait")
			b.ReportMetric(took/float64(b.N*c.n)*1e9, "ns-to-begin")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// waiting begins n waits, and returns how much memory they took and how long it
// took until all of them waited.
func waiting(b *testing.B, n int, wait func(context.Context)) (bytes float64, begun time.Duration) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	before := resident(b)
	began := time.Now()
	var started, ended sync.WaitGroup
	started.Add(n)
	for range n {
		ended.Go(func() {
			started.Done()
			wait(ctx)
		})
	}
	started.Wait()
	begun = time.Since(began)
	runtime.Gosched()
	bytes = resident(b) - before
	cancel()
	ended.Wait()
	return bytes, begun
}

// BenchmarkScale answers "scalability?": so many waits of 20 ms one after the
// other and side by side, then the same for work that computes.
func BenchmarkScale(b *testing.B) {
	const delay = 20 * time.Millisecond
	waits := func(ctx context.Context) (int, error) { return 0, Sleep(ctx, delay) }
	computes := func(context.Context) (int, error) {
		sum := 0
		for i := range 100_000_000 {
			sum += i ^ sum<<1
		}
		return sum, nil
	}
	for _, c := range []struct {
		name  string
		work  func(context.Context) (int, error)
		sizes []int
	}{{"waits", waits, []int{1, 10, 100, 1000, 100_000}}, {"computes", computes, []int{1, 2, 4, 8}}} {
		for _, n := range c.sizes {
			b.Run(fmt.Sprintf("%s=%d", c.name, n), func(b *testing.B) {
				var together, alone time.Duration
				for range b.N {
					alone += took(func() {
						if _, err := c.work(b.Context()); err != nil {
							b.Fatal(err)
						}
					})
					began := time.Now()
					futures := make([]*Future[int], n)
					for i := range futures {
						futures[i] = Go(b.Context(), c.work)
					}
					if _, err := All(b.Context(), futures...).Await(b.Context()); err != nil {
						b.Fatal(err)
					}
					together += time.Since(began)
				}
				ratio := together.Seconds() / alone.Seconds()
				b.ReportMetric(together.Seconds()*1000/float64(b.N), "ms-together")
				b.ReportMetric(ratio, "x-of-one")
				b.ReportMetric(float64(n)/ratio, "speed-up")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkTail answers "redundancy?": one replica, a race of two, and a hedged
// request, on a clock that is not simulated.
func BenchmarkTail(b *testing.B) {
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			latencies := make([]time.Duration, b.N)
			calls := int64(0)
			for i := range latencies {
				latencies[i] = took(func() {
					asked, err := way.ask(b.Context(), random)
					if err != nil {
						b.Fatal(err)
					}
					calls += asked
				})
			}
			ms := func(p int) float64 { return percentile(latencies, p).Seconds() * 1000 }
			b.ReportMetric(ms(50), "p50-ms")
			b.ReportMetric(ms(99), "p99-ms")
			b.ReportMetric(float64(calls)/float64(b.N), "calls/request")
			b.ReportMetric(0, "ns/op")
		})
	}
}
