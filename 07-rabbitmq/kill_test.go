package rabbitmq

import (
	"context"
	"sync"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// settled is how long a quorum queue must have been there before its broker may
// be killed: see "One trap is the broker's own" in the README.
const settled = 3 * time.Second

// The broker is killed with -9 while customers order, and started again. What
// was accepted is processed in the end: with confirms all of it, without them
// not.
func TestBrokerKilledInMidStream(t *testing.T) {
	t.Parallel()
	broker := servicestest.PrivateRabbitMQ(t)
	right := newCustomers(t, broker, "right", 5*time.Millisecond)
	wrong := newCustomers(t, broker, "no-confirms", 2*time.Millisecond)
	began := time.Now()
	eventually(t, "orders flow", func() bool {
		return time.Since(began) > settled && right.count() > 500 && wrong.count() > 500
	})
	if err := broker.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broker is missed", func() bool {
		return right.publisher.Ready(t.Context()) != nil &&
			wrong.publisher.Ready(t.Context()) != nil
	})
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*customers{right, wrong} {
		ready(t, c.publisher)
		more := c.count() + 100
		eventually(t, "orders flow again", func() bool { return c.count() > more })
		c.leave()
	}

	seen := newTally()
	subscriber(t, right.settings, seen.handle)
	eventually(t, "all accepted orders are processed", func() bool {
		return seen.missing(right.accepted) == 0
	})
	survivors := newTally()
	_, consumer := subscriber(t, wrong.settings, survivors.handle)
	admin(t, wrong.settings).waitFor(OrdersQueue, 0)
	consumer.end(t)
	lost := survivors.missing(wrong.accepted)
	if lost == 0 {
		t.Error("without confirms nothing was lost: the variant is not wrong")
	}
	t.Logf("with confirms 0 of %d accepted orders were lost, without %d of %d",
		len(right.accepted), lost, len(wrong.accepted))
}

// customers order one thing after the other, and remember which orders were accepted.
type customers struct {
	t         *testing.T
	settings  Settings
	publisher *Publisher
	leave     func() // and wait until the last one has left

	mu       sync.Mutex
	accepted []string
}

func newCustomers(
	t *testing.T, broker *services.Server, variant string, pause time.Duration,
) *customers {
	t.Helper()
	env, _, err := broker.Isolate(t.Context(), variant)
	if err != nil {
		t.Fatal(err)
	}
	s := DefaultSettings()
	s.URL, s.Variant, s.Prefetch = env["AMQP_URL"], variant, 100
	p, _ := publisher(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	c := &customers{t: t, settings: s, publisher: p}
	var all sync.WaitGroup
	c.leave = func() { cancel(); all.Wait() }
	t.Cleanup(c.leave)
	for range 16 {
		all.Go(func() { c.order(ctx, pause) })
	}
	return c
}

func (c *customers) order(ctx context.Context, pause time.Duration) {
	// Slow enough that what is accepted can be consumed again in a moment.
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		order := newOrder(c.t, shop.SampleEmail)
		if c.publisher.Publish(context.WithoutCancel(ctx), order) == nil {
			c.mu.Lock()
			c.accepted = append(c.accepted, order.ID)
			c.mu.Unlock()
		}
	}
}

func (c *customers) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted)
}
