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

// The broker is killed with -9 while customers order, and started again. What was
// accepted is processed in the end. What becomes of it without confirms is shown by
// TestWrongNoConfirms and the experiment no-confirms-kill.
func TestBrokerKilledInMidStream(t *testing.T) {
	t.Parallel()
	broker := servicestest.PrivateRabbitMQ(t)
	c := newCustomers(t, broker)
	began := time.Now()
	eventually(t, "orders flow", func() bool {
		return time.Since(began) > settled && c.count() > 200
	})
	if err := broker.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broker is missed", func() bool {
		return c.publisher.Ready(t.Context()) != nil
	})
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, c.publisher)
	more := c.count() + 100
	eventually(t, "orders flow again", func() bool { return c.count() > more })
	c.leave()

	seen := newTally()
	subscriber(t, c.settings, seen.handle)
	eventually(t, "all accepted orders are processed", func() bool {
		return seen.missing(c.accepted) == 0
	})
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

func newCustomers(t *testing.T, broker *services.Server) *customers {
	t.Helper()
	env, _, err := broker.Isolate(t.Context(), "customers")
	if err != nil {
		t.Fatal(err)
	}
	s := DefaultSettings()
	s.URL, s.Prefetch = env["AMQP_URL"], 100
	p, _ := publisher(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	c := &customers{t: t, settings: s, publisher: p}
	var all sync.WaitGroup
	c.leave = func() { cancel(); all.Wait() }
	t.Cleanup(c.leave)
	for range 16 {
		all.Go(func() { c.order(ctx) })
	}
	return c
}

func (c *customers) order(ctx context.Context) {
	// Slow enough that what is accepted can be consumed again in a moment.
	pace := time.NewTicker(20 * time.Millisecond)
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
