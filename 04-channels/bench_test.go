package channels

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"course.example/shop"
)

// BenchmarkQueue puts orders on the queue and takes them out again, in one
// goroutine, so that nothing but the queue is measured. The reference is a bare
// channel with the same select. Both take turns in one run; the ratio is
// reported as x-of-bare.
func BenchmarkQueue(b *testing.B) {
	const size, rounds = 256, 64
	order := newOrder(b)
	q := NewQueue(settings(size, 1))
	bare := make(chan shop.Order, size)
	var ours, reference time.Duration
	n := 0
	for n < b.N {
		began := time.Now()
		for range rounds {
			for range size {
				select {
				case bare <- order:
				default:
					b.Fatal("full")
				}
			}
			for range size {
				<-bare
			}
		}
		between := time.Now()
		for range rounds {
			for range size {
				if err := q.Put(order); err != nil {
					b.Fatal(err)
				}
			}
			for range size {
				<-q.Orders()
			}
		}
		reference += between.Sub(began)
		ours += time.Since(between)
		n += rounds * size
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(n), "ns/order")
	b.ReportMetric(float64(reference.Nanoseconds())/float64(n), "bare-ns/order")
	b.ReportMetric(reference.Seconds()/ours.Seconds(), "x-of-bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBuffer hands orders from one goroutine to another over a channel. The
// unbuffered one is a rendezvous: both must be there. A buffer lets the one run
// ahead of the other.
func BenchmarkBuffer(b *testing.B) {
	var unbuffered float64
	for _, size := range []int{0, 1, 16, 256} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			order := newOrder(b)
			orders := make(chan shop.Order, size)
			var receiver sync.WaitGroup
			receiver.Go(func() {
				for range orders {
				}
			})
			for b.Loop() {
				orders <- order
			}
			close(orders)
			receiver.Wait()
			perOrder := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if size == 0 {
				unbuffered = perOrder
			}
			b.ReportMetric(unbuffered/perOrder, "x-of-unbuffered")
		})
	}
}

// BenchmarkWaiting is what an order costs in memory while it waits: as a value in a
// channel that is large enough, and in a goroutine of its own in front of one that is
// not, which is what the variant unbounded does.
func BenchmarkWaiting(b *testing.B) {
	for _, way := range []string{"channel", "goroutines"} {
		b.Run(way, func(b *testing.B) {
			const orders = 200_000
			for b.Loop() {
				b.StopTimer()
				debug.FreeOSMemory() // what the last one has left
				before := memory()
				b.StartTimer()
				var q Queue = NewBounded(orders)
				if way == "goroutines" {
					q = &Unbounded{Bounded: NewBounded(1)}
				}
				for range orders {
					if err := q.Put(newOrder(b)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(memory()-before)/orders, "bytes/order")
				go q.Close()
				for range q.Orders() { // let the goroutines go
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkWorkers answers "is it easy to add new consumers?": orders of 20 ms
// each, done by 1, 2 and 4 workers.
func BenchmarkWorkers(b *testing.B) {
	var alone float64
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			s := settings(b.N, workers)
			q := NewQueue(s)
			fill(b, q, b.N)
			q.Close()
			b.ResetTimer()
			NewConsumer(q, s, func(ctx context.Context, o shop.Order) error {
				return shop.Work(ctx, o, 20*time.Millisecond)
			}).Run(b.Context())
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			if workers == 1 {
				alone = rate
			}
			b.ReportMetric(rate, "orders/s")
			if alone > 0 {
				b.ReportMetric(rate/alone, "speed-up")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
