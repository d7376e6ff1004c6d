package saga

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
)

// BenchmarkOrchestrators measures sagas per second at 1, 2 and 4 orchestrators and
// the price of durability: the same orchestrator with its sagas in memory, in one
// run. The services answer at once and remember nothing, so that the orchestrators
// are what is measured. The broker is the same for all.
func BenchmarkOrchestrators(b *testing.B) {
	for _, c := range []struct {
		store string
		n     int
	}{{"memory", 1}, {"postgres", 1}, {"postgres", 2}, {"postgres", 4}} {
		b.Run(fmt.Sprintf("%s-%d", c.store, c.n), func(b *testing.B) {
			s := DefaultSettings()
			s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(b).URL, servicestest.Postgres(b)
			s.StepTimeout = time.Minute
			var ended atomic.Int64
			done := make(chan struct{})
			r := newRunner(b)
			publishers := map[string]*bus{}
			for _, business := range businesses {
				publishers[business.Name] = r.echo(s, business)
			}
			site := r.bus(s, "website", func(_ context.Context, m Message) error {
				if m.State == Accepted && ended.Add(1) == int64(b.N) {
					close(done)
				}
				return nil
			})
			for range c.n {
				r.orchestrator(s, c.store)
			}
			var batch []Message
			for range b.N {
				order := newOrder(b, clients[0])
				batch = append(batch, Message{ID: order.ID, Kind: OrderPlaced, Order: order})
			}
			r.connected(site)
			for _, p := range publishers {
				r.connected(p)
			}
			b.ResetTimer()
			for len(batch) > 0 {
				n := min(len(batch), relayBatch)
				if err := site.publish(b.Context(), batch[:n]); err != nil {
					b.Fatal(err)
				}
				batch = batch[n:]
			}
			select {
			case <-done:
			case <-time.After(4 * time.Minute):
				b.Fatalf("%d of %d sagas ended", ended.Load(), b.N)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sagas/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// runner runs what a benchmark needs until it ends.
type runner struct {
	b     *testing.B
	ctx   context.Context
	group sync.WaitGroup
}

func newRunner(b *testing.B) *runner {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &runner{b: b, ctx: ctx}
	b.Cleanup(func() { stop(); r.group.Wait() })
	return r
}

func (r *runner) run(f func(context.Context) error) {
	r.group.Go(func() {
		if err := f(r.ctx); err != nil {
			r.b.Error(err)
		}
	})
}

func (r *runner) bus(
	s Settings, queue string, handle func(context.Context, Message) error,
) *bus {
	b := newBus(s, queue, orchestration)
	r.run(func(ctx context.Context) error { return b.run(ctx, handle) })
	return b
}

func (r *runner) connected(bus *bus) {
	r.b.Helper()
	eventually(r.b, "connected", func() bool { return bus.publish(r.ctx, nil) == nil })
}

// echo is a service that always says yes.
func (r *runner) echo(s Settings, business Business) *bus {
	var out *bus
	ready := make(chan struct{})
	out = r.bus(s, business.Name, func(ctx context.Context, m Message) error {
		<-ready
		return out.shout(ctx, []Message{m.answer(business.Yes, "")})
	})
	close(ready)
	return out
}

func (r *runner) orchestrator(s Settings, store string) {
	r.b.Helper()
	if store == "postgres" {
		r.run(func(ctx context.Context) error { return RunOrchestrator(ctx, s) })
		return
	}
	var out *bus
	o := &Orchestrator{rules: s.rules()}
	ready := make(chan struct{})
	out = r.bus(s, "orchestrator", func(ctx context.Context, m Message) error {
		<-ready
		return o.Handle(ctx, m)
	})
	o.store = newMemory(out.shout)
	close(ready)
}

// BenchmarkWindow measures how long customers see something that is not true any
// more, at the given rate of orders, with real services:
//
//	pending   from the answer 202 to the end of the saga on the website
//	behind    from a transition to the website's knowing of it
func BenchmarkWindow(b *testing.B) {
	for _, variant := range []string{"right", "choreography"} {
		b.Run(variant, func(b *testing.B) {
			s := DefaultSettings()
			s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(b).URL, servicestest.Postgres(b)
			s.Variant = variant
			r := newRunner(b)
			p, err := newParticipant(b.Context(), "website", s)
			if err != nil {
				b.Fatal(err)
			}
			site := &Website{p}
			r.run(func(ctx context.Context) error { return p.run(ctx, site.Handle) })
			for _, role := range everybody {
				r.run(func(ctx context.Context) error { return programs[role](ctx, s) })
			}
			r.connected(p.bus)
			tick := time.NewTicker(20 * time.Millisecond) // 50 orders a second
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				if err := site.Place(b.Context(), newOrder(b, clients[0])); err != nil {
					b.Fatal(err)
				}
			}
			eventually(b, "all have ended", func() bool {
				a, err := audit(b.Context(), p.pool)
				return err == nil && a.Open == 0
			})
			var pending, pending99, behind, behind99 float64
			err = p.pool.QueryRow(b.Context(), `SELECT
				percentile_cont(0.5) WITHIN GROUP (ORDER BY ms),
				percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FROM (
				SELECT extract(epoch FROM moved_at - placed_at) * 1000 AS ms FROM orders) w`).
				Scan(&pending, &pending99)
			if err != nil {
				b.Fatal(err)
			}
			err = p.pool.QueryRow(b.Context(), `SELECT
				percentile_cont(0.5) WITHIN GROUP (ORDER BY ms),
				percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FROM (
				SELECT extract(epoch FROM seen_at - sent_at) * 1000 AS ms FROM history) w`).
				Scan(&behind, &behind99)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(pending, "pending-p50-ms")
			b.ReportMetric(pending99, "pending-p99-ms")
			b.ReportMetric(behind, "behind-p50-ms")
			b.ReportMetric(behind99, "behind-p99-ms")
		})
	}
}
