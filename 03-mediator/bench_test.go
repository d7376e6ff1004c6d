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
// times as long it took.
func BenchmarkPublish(b *testing.B) {
	through := func(ctx context.Context, _ Call, next func(context.Context) error) error {
		return next(ctx)
	}
	for _, c := range []struct {
		name       string
		strategy   Strategy
		timeout    time.Duration
		behaviours []Behaviour
	}{
		{name: "sequence", strategy: Sequence},
		{name: "one-behaviour", strategy: Sequence, behaviours: []Behaviour{through}},
		{name: "parallel", strategy: Parallel},
		{name: "timeout", strategy: Sequence, timeout: time.Second},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := publisherOf(New(c.strategy, c.timeout, c.behaviours...), 2, noop)
			ctx, event := b.Context(), sample(b)
			b.ReportAllocs()
			sideBySide(b,
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
		})
	}
}

// rounds is how many slices a measurement is cut into. Ours and direct take
// turns, so that what else the machine does meets both alike; the figures are the
// medians of the slices.
const rounds = 50

func sideBySide(b *testing.B, ours, direct func(n int)) {
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
	b.ReportMetric(median(oursTook), "ns/publish")
	b.ReportMetric(median(directTook), "direct-ns")
	b.ReportMetric(median(ratio), "x-of-direct")
	b.ReportMetric(0, "ns/op")
}

// How long the customer waits for handlers that take 20 ms each.
func BenchmarkLatency(b *testing.B) {
	work := func(ctx context.Context, e *messages.NewOrder) error {
		return shop.Work(ctx, e.Order, 20*time.Millisecond)
	}
	for _, strategy := range []string{"sequence", "parallel"} {
		for _, handlers := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/handlers=%d", strategy, handlers), func(b *testing.B) {
				m := New(strategies[strategy], 0)
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
