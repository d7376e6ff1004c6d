package rabbitmq

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"course.example/shop"
)

// Each kind of receiver is told of every order that came since it joined, and one that is
// away when it comes is told later. With one queue for all there is a third for each.
func TestFanOut(t *testing.T) {
	t.Parallel()
	const orders = 30
	for variant, c := range map[string]struct{ each, all int64 }{
		"right":        {orders, 3 * orders},
		"shared-queue": {0, orders},
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := onEmptyVhost(t)
			s.Variant = variant
			names := []string{"email", "statistics", "shipping"}
			for _, name := range names { // each has joined once, and is away
				admin(t, s).declare(NewReceiver(s, name, nil).topology)
			}
			p := NewAnnouncer(s)
			start(t, p.Run)
			eventually(t, "all orders are confirmed", func() bool { return p.Ready(t.Context()) == nil })
			placeAll(t, p, orders)
			// Of different orders: one that a queue has refused is published again to all.
			var told [3]atomic.Int64
			sum := func() int64 { return told[0].Load() + told[1].Load() + told[2].Load() }
			for i, name := range names {
				var seen sync.Map
				start(t, NewReceiver(s, name, func(_ context.Context, o shop.Order) error {
					if _, again := seen.LoadOrStore(o.ID, true); !again {
						told[i].Add(1)
					}
					return nil
				}).Run)
			}
			eventually(t, "all were told", func() bool { return sum() == c.all })
			for i := range told {
				if n := told[i].Load(); c.each > 0 && n != c.each {
					t.Errorf("%s was told of %d orders, want %d", names[i], n, c.each)
				}
			}
		})
	}
}

// placeAll places so many orders. A quorum queue that has just been declared may refuse.
func placeAll(t *testing.T, p *Publisher, n int) {
	t.Helper()
	for range n {
		order, err := shop.NewOrder("ada@example.com", shop.SampleItems()...)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "an order is confirmed", func() bool {
			return p.Publish(t.Context(), order) == nil
		})
	}
}
