package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// contains is strings.Contains, under a name that fits in a line.
func contains(s, part string) bool { return strings.Contains(s, part) }

// Each of these runs the same scene twice: the wrong variant must fail in just
// the way its comment says, and the right one must not.

func TestWrongAutoAckLosesWhatAKilledConsumerHad(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"auto-ack": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			direct := onBroker(t)
			s, network := through(t, direct)
			s.Variant, s.Attempts = variant, 1
			ids := place(t, direct, 50)

			// The first consumer is killed with its first order in progress.
			inProgress, release := make(chan string, len(ids)), make(chan struct{})
			_, first := subscriber(t, s, func(_ context.Context, o shop.Order) error {
				inProgress <- o.ID
				<-release
				return errors.New("killed")
			})
			receive(t, "first order", inProgress)
			a := admin(t, direct)
			if red {
				a.waitFor(OrdersQueue, 0) // all of it is in that consumer's memory
			}
			first.stop()
			network.setAway(true)
			close(release)
			first.end(t)
			back := len(ids)
			if red {
				back = 0
			}
			a.waitFor(OrdersQueue, back)

			seen := newTally()
			_, second := subscriber(t, direct, seen.handle)
			eventually(t, "what is back is handled", func() bool {
				orders, _ := seen.count()
				return orders == back
			})
			second.end(t)
			if lost := seen.missing(ids); (lost > 0) != red {
				t.Errorf("%d of %d orders were lost", lost, len(ids))
			}
		})
	}
}

func TestWrongNoConfirmsAcceptsWhatNoQueueHas(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"no-confirms": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			direct := onBroker(t)
			s, network := through(t, direct)
			s.Variant = variant
			p, _ := publisher(t, s)

			// What is written to the socket never arrives: no confirm can come.
			network.freeze(false, true)
			answer := make(chan error, 1)
			go func() { answer <- p.Publish(t.Context(), newOrder(t, shop.SampleEmail)) }()
			if red {
				if err := receive(t, "answer", answer); err != nil {
					t.Errorf("an order on the way was answered with %v", err)
				}
			}
			network.setAway(true)
			if !red && receive(t, "answer", answer) == nil {
				t.Error("an order on the way was accepted")
			}
			eventually(t, "not ready", func() bool { return p.Ready(t.Context()) != nil })
			network.thaw()
			network.setAway(false)
			ready(t, p)

			a := admin(t, direct)
			a.waitFor(OrdersQueue, 0)
			if _, err := a.channel.QueueDelete(OrdersQueue, false, false, false); err != nil {
				t.Fatal(err)
			}
			if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); (err == nil) != red {
				t.Errorf("an order without a queue was answered with %v", err)
			}
		})
	}
}

func TestWrongRequeueForeverStarvesTheQueue(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"requeue-forever": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := onBroker(t)
			s.Variant = variant
			seen := newTally()
			sub := NewSubscriber(s, seen.handle)
			var gaveUp atomic.Int64
			giveUp := sub.giveUp
			sub.giveUp = func(ctx context.Context, d amqp.Delivery, o shop.Order, why error) {
				gaveUp.Add(1)
				giveUp(ctx, d, o, why)
			}
			const poison = 20
			admin(t, s).declare(sub.topology)
			if err := Inject(t.Context(), s, "wrong-version", poison); err != nil {
				t.Fatal(err)
			}
			ids := place(t, s, 10) // behind the poison
			start(t, sub.Run)

			if red {
				// Each of them came ten times, and no other was let through.
				eventually(t, "a hot loop", func() bool { return gaveUp.Load() > 10*poison })
				if left := seen.missing(ids); left != len(ids) {
					t.Errorf("%d good orders got through", len(ids)-left)
				}
				return
			}
			eventually(t, "good orders handled", func() bool { return seen.missing(ids) == 0 })
			a := admin(t, s)
			letters := map[string]bool{} // at least once: one may be there twice
			for len(letters) < poison {
				letters[a.take(DeadLetterQueue, 1)[0].MessageId] = true
			}
			if n := gaveUp.Load(); n < poison {
				t.Errorf("%d bad messages were given up %d times", poison, n)
			}
			a.waitFor(OrdersQueue, 0)
		})
	}
}

func TestWrongPrefetchUnlimitedHoards(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"prefetch-unlimited": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := onBroker(t)
			ids := place(t, s, 100)
			hoarder := s
			hoarder.Variant = variant
			inProgress, release := make(chan string, len(ids)), make(chan struct{})
			defer close(release)
			subscriber(t, hoarder, func(_ context.Context, o shop.Order) error {
				inProgress <- o.ID
				<-release
				return nil
			})
			receive(t, "first order", inProgress)
			left := len(ids) - s.Prefetch
			if red {
				left = 0
			}
			a := admin(t, s)
			eventually(t, "the hoarder has its part", func() bool {
				return a.inspect(OrdersQueue).Messages <= left
			})
			if n := a.inspect(OrdersQueue).Messages; n != left {
				t.Fatalf("%d orders are left for others, want %d", n, left)
			}

			seen := newTally()
			_, helper := subscriber(t, s, seen.handle)
			count := func() int { _, n := seen.count(); return n }
			eventually(t, "its share done", func() bool { return count() >= left })
			helper.end(t)
			if count() != left {
				t.Errorf("a second consumer got %d orders, want %d", count(), left)
			}
		})
	}
}
