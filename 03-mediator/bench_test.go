package mediator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"course.example/03-mediator/messages"
	"course.example/shop"
)

// noop is a handler that does nothing. It is kept from being inlined, as a real
// one is by its size: two calls that the compiler takes away are no reference.
//
//go:noinline
func noop(context.Context, *messages.NewOrder) error { return nil }

// publisherOf is a publisher with so many handlers of the kind.
func publisherOf(
	m *Mediator, handlers int, handle Handler[*messages.NewOrder],
) Publisher[*messages.NewOrder] {
	for range handlers {
		Subscribe(m, "noop", Essential, handle)
	}
	return PublisherOf[*messages.NewOrder](m)
}

func sample(tb testing.TB) *messages.NewOrder {
	tb.Helper()
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		tb.Fatal(err)
	}
	return &messages.NewOrder{Order: order}
}

// What the mediator costs by itself: two handlers that do nothing, told by the
// mediator and called directly, in turns in one run. x-of-direct is how many
// times as long it took; for the plain way, at most five times is promised.
func BenchmarkPublish(b *testing.B) {
	through := func(ctx context.Context, _ Call, next func(context.Context) error) error {
		return next(ctx)
	}
	for _, c := range []struct {
		name       string
		strategy   Strategy
		timeout    time.Duration
		behaviours []Behaviour
		atMost     float64 // times two direct calls; 0 promises nothing
	}{
		{name: "sequence", atMost: 5},
		{name: "one-behaviour", behaviours: []Behaviour{through}},
		{name: "parallel", strategy: Strategy{Parallel: true}},
		{name: "timeout", timeout: time.Second},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := publisherOf(New(c.strategy, c.timeout, c.behaviours...), 2, noop)
			ctx, event := b.Context(), sample(b)
			b.ReportAllocs()
			ratio := sideBySide(b,
				func(n int) {
					for range n {
						if err := p.Publish(ctx, event); err != nil {
							b.Fatal(err)
						}
					}
				},
				func(n int) {
					for range n {
						if err := noop(ctx, event); err != nil {
							b.Fatal(err)
						}
						if err := noop(ctx, event); err != nil {
							b.Fatal(err)
						}
					}
				})
			// A slice of a few calls measures the clock, and not the mediator.
			if long := b.N >= 1000*rounds; long && c.atMost > 0 && ratio > c.atMost {
				b.Errorf("%.1f times two direct calls; at most %.0f are promised",
					ratio, c.atMost)
			}
		})
	}
}

// rounds is how many slices a measurement is cut into. Ours and direct take
// turns, so that what else the machine does meets both alike; the figures are the
// medians of the slices.
const rounds = 50

func sideBySide(b *testing.B, ours, direct func(n int)) (times float64) {
	n := max(b.N/rounds, 1)
	took := func(f func(n int)) float64 {
		began := time.Now()
		f(n)
		return float64(max(time.Since(began), 1)) / float64(n)
	}
	var oursTook, directTook, ratio []float64
	for range rounds {
		d, o := took(direct), took(ours)
		directTook, oursTook = append(directTook, d), append(oursTook, o)
		ratio = append(ratio, o/d)
	}
	median := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	times = median(ratio)
	b.ReportMetric(median(oursTook), "ns/publish")
	b.ReportMetric(median(directTook), "direct-ns")
	b.ReportMetric(times, "x-of-direct")
	b.ReportMetric(0, "ns/op")
	return times
}

// How long the customer waits for handlers that take 20 ms each.
func BenchmarkLatency(b *testing.B) {
	work := func(ctx context.Context, e *messages.NewOrder) error {
		return shop.Work(ctx, e.Order, 20*time.Millisecond)
	}
	for _, strategy := range []string{"sequence", "parallel"} {
		for _, handlers := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/handlers=%d", strategy, handlers), func(b *testing.B) {
				m := New(Strategy{Parallel: strategy == "parallel"}, 0)
				p := publisherOf(m, handlers, work)
				event := sample(b)
				for b.Loop() {
					if err := p.Publish(b.Context(), event); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/order")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// Not parallel: what other tests allocate would count.
func TestPublishingInSequenceAllocatesNothing(t *testing.T) {
	p := publisherOf(New(Strategy{}, 0), 2, noop)
	event := sample(t)
	var failed error
	allocs := testing.AllocsPerRun(1000, func() {
		if err := p.Publish(t.Context(), event); err != nil {
			failed = err
		}
	})
	if allocs != 0 || failed != nil {
		t.Errorf("%v allocations for two handlers, error %v", allocs, failed)
	}
}
