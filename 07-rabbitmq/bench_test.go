package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// The benchmarks measure ours and a bare loop over amqp091-go in the same run,
// on the same broker and the same kind of queue, and report the ratio as
// x-of-bare. Logging is discarded on both sides: a line per order on a terminal
// costs more than the order. Both sides turn every order into JSON and back: that
// is the price of an order on any road, and not what is compared.

// BenchmarkPublish publishes with confirms, and a window of so many messages
// that the broker has not confirmed yet.
func BenchmarkPublish(b *testing.B) {
	for _, window := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			s := onBroker(b)
			s.Window = window
			order := sampleOrder(b)
			sideBySide(b,
				func(n int) time.Duration { return publishOurs(b, s, order, n) },
				func(n int) time.Duration { return publishBare(b, s, order, n) })
		})
	}
}

// BenchmarkConsume consumes with a manual acknowledgement per order and work
// that takes no time.
func BenchmarkConsume(b *testing.B) {
	for _, prefetch := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("prefetch=%d", prefetch), func(b *testing.B) {
			s := onBroker(b)
			s.Prefetch = prefetch
			order := sampleOrder(b)
			sideBySide(b,
				func(n int) time.Duration { return consumeOurs(b, s, order, n) },
				func(n int) time.Duration { return consumeBare(b, s, order, n) })
		})
	}
}

// BenchmarkCompetingConsumers answers "is it easy to add new consumers?": each
// works 20 ms per order, one at a time.
func BenchmarkCompetingConsumers(b *testing.B) {
	var alone float64
	for _, consumers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("consumers=%d", consumers), func(b *testing.B) {
			s := onBroker(b)
			publishOurs(b, s, sampleOrder(b), b.N)
			var left atomic.Int64
			left.Store(int64(b.N))
			all := make(chan struct{})
			b.ResetTimer()
			for range consumers {
				sub := NewSubscriber(s, func(ctx context.Context, o shop.Order) error {
					defer func() {
						if left.Add(-1) == 0 {
							close(all)
						}
					}()
					return shop.Work(ctx, o, 20*time.Millisecond)
				})
				start(b, sub.Run)
			}
			receiveLong(b, all)
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			if consumers == 1 {
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

// rounds is how many slices the orders of one measurement are cut into. Ours and
// bare take turns, so that what else the machine does meets both alike.
const rounds = 20

func sideBySide(b *testing.B, ours, bare func(n int) time.Duration) {
	n := max(b.N/rounds, 1)
	var oursTook, bareTook time.Duration
	for range rounds {
		bareTook += bare(n)
		oursTook += ours(n)
	}
	total := float64(n * rounds)
	b.ReportMetric(total/oursTook.Seconds(), "orders/s")
	b.ReportMetric(total/bareTook.Seconds(), "bare-orders/s")
	b.ReportMetric(bareTook.Seconds()/oursTook.Seconds(), "x-of-bare")
	b.ReportMetric(0, "ns/op")
}

func publishOurs(b *testing.B, s Settings, order shop.Order, n int) time.Duration {
	b.Helper()
	p, running := publisher(b, s)
	defer running.end(b)
	purge(b, s)
	var left atomic.Int64
	left.Store(int64(n))
	var customers sync.WaitGroup
	began := time.Now()
	for range s.Window {
		customers.Go(func() {
			for left.Add(-1) >= 0 {
				if err := p.Publish(b.Context(), order); err != nil {
					b.Error(err)
				}
			}
		})
	}
	customers.Wait()
	return time.Since(began)
}

func publishBare(b *testing.B, s Settings, order shop.Order, n int) time.Duration {
	b.Helper()
	a := admin(b, s)
	a.declare(quorumOrders)
	purge(b, s)
	if err := a.channel.Confirm(false); err != nil {
		b.Fatal(err)
	}
	window := make(chan *amqp.DeferredConfirmation, s.Window)
	began := time.Now()
	for range n {
		if len(window) == s.Window && !(<-window).Wait() {
			b.Error("not confirmed")
		}
		message, err := encode(order)
		if err != nil {
			b.Fatal(err)
		}
		confirm, err := a.channel.PublishWithDeferredConfirm(
			"", OrdersQueue, true, false, message)
		if err != nil {
			b.Fatal(err)
		}
		window <- confirm
	}
	close(window)
	for confirm := range window {
		if !confirm.Wait() {
			b.Error("not confirmed")
		}
	}
	return time.Since(began)
}

func consumeOurs(b *testing.B, s Settings, order shop.Order, n int) time.Duration {
	b.Helper()
	fill(b, s, order, n)
	left := n
	var began time.Time // with the first delivery: connecting is not the question
	all := make(chan time.Duration, 1)
	_, running := subscriber(b, s, func(context.Context, shop.Order) error {
		if left == n {
			began = time.Now()
		}
		if left--; left == 0 {
			all <- time.Since(began)
		}
		return nil
	})
	took := receiveLong(b, all)
	running.end(b)
	return took
}

func consumeBare(b *testing.B, s Settings, order shop.Order, n int) time.Duration {
	b.Helper()
	fill(b, s, order, n)
	a := admin(b, s)
	if err := a.channel.Qos(s.Prefetch, 0, false); err != nil {
		b.Fatal(err)
	}
	deliveries, err := a.channel.Consume(OrdersQueue, "bare", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	var began time.Time
	for i := range n {
		d := <-deliveries
		if i == 0 {
			began = time.Now()
		}
		if _, err := decode(d); err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(false); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	if err := a.channel.Cancel("bare", false); err != nil {
		b.Error(err)
	}
	return took
}

// fill puts n orders into an empty queue, as fast as the broker takes them.
func fill(b *testing.B, s Settings, order shop.Order, n int) {
	b.Helper()
	s.Window = 256
	publishBare(b, s, order, n)
}

func purge(b *testing.B, s Settings) {
	b.Helper()
	if _, err := admin(b, s).channel.QueuePurge(OrdersQueue, false); err != nil {
		b.Fatal(err)
	}
}

func sampleOrder(b *testing.B) shop.Order {
	b.Helper()
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		b.Fatal(err)
	}
	return order
}

// receiveLong waits for as long as a measurement may take.
func receiveLong[T any](b *testing.B, all <-chan T) T {
	b.Helper()
	select {
	case last := <-all:
		return last
	case <-time.After(5 * time.Minute):
		b.Fatal("the orders were not done in five minutes")
		panic("unreachable")
	}
}
