package saga

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
)

// BenchmarkSagas measures sagas per second of the whole shop, from the order to the
// website's knowing of its end, with one message in a transaction and with up to a
// hundred. The whole shop shares one process and its machine with the servers.
func BenchmarkSagas(b *testing.B) {
	for _, batch := range []int{1, maxBatch} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			s := DefaultSettings()
			s.Batch = batch
			measure(b, s, 1)
		})
	}
}

// BenchmarkWorkers measures how the rate grows with the programs, where a command
// takes 20 ms and a service works on one at a time.
func BenchmarkWorkers(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("of-each-%d", n), func(b *testing.B) {
			s := DefaultSettings()
			s.Workers, s.Work = 1, 20*time.Millisecond
			measure(b, s, n)
		})
	}
}

// measure sends b.N orders through a shop with n programs of each kind.
func measure(b *testing.B, s Settings, n int) {
	b.Helper()
	s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(b).URL, servicestest.Postgres(b)
	s.StepTimeout = time.Minute
	r := newRunner(b, s)
	for range n {
		r.start(s, everybody...)
	}
	connected(b, r.site.bus)
	b.ResetTimer()
	r.place(b.N)
	a := newAuditor(r.site.pool, s.Retention)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ended := 0; ended < b.N; <-tick.C {
		account, err := a.look(b.Context())
		if err != nil || account.Violations() > 0 {
			b.Fatalf("%+v, %v", account, err)
		}
		ended = account.Accepted
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sagas/s")
	b.ReportMetric(0, "ns/op")
}

// runner runs what a benchmark needs until it ends.
type runner struct {
	b     *testing.B
	ctx   context.Context
	group sync.WaitGroup
	site  *Website
}

func newRunner(b *testing.B, s Settings) *runner {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &runner{b: b, ctx: ctx}
	b.Cleanup(func() { stop(); r.group.Wait() })
	var err error
	if r.site, err = newWebsite(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	r.run(func(ctx context.Context) error { return r.site.run(ctx) })
	return r
}

func (r *runner) run(f func(context.Context) error) {
	r.group.Go(func() {
		if err := f(r.ctx); err != nil {
			r.b.Error(err)
		}
	})
}

func (r *runner) start(s Settings, roles ...string) {
	for _, role := range roles {
		r.run(func(ctx context.Context) error { return programs[role](ctx, s) })
	}
}

// place is 64 customers who order one after the other.
func (r *runner) place(n int) {
	r.b.Helper()
	tickets := make(chan struct{}, n)
	for range n {
		tickets <- struct{}{}
	}
	close(tickets)
	var customers sync.WaitGroup
	for range 64 {
		customers.Go(func() {
			for range tickets {
				if err := r.site.Place(r.ctx, newOrder(r.b, clients[0])); err != nil {
					r.b.Error(err)
					return
				}
			}
		})
	}
	customers.Wait()
}

// BenchmarkWindow measures how long customers see something that is not true any
// more, at the given rate of orders:
//
//	pending   from the answer 202 to the end of the saga on the website
//	behind    from a transition to the website's knowing of it
func BenchmarkWindow(b *testing.B) {
	for _, variant := range []string{"right", "choreography"} {
		b.Run(variant, func(b *testing.B) {
			s := DefaultSettings()
			s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(b).URL, servicestest.Postgres(b)
			s.Variant = variant
			r := newRunner(b, s)
			r.start(s, everybody...)
			connected(b, r.site.bus)
			tick := time.NewTicker(20 * time.Millisecond) // 50 orders a second
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				r.place(1)
			}
			a := newAuditor(r.site.pool, s.Retention)
			eventually(b, "all have ended", func() bool {
				account, err := a.look(b.Context())
				return err == nil && account.Open == 0
			})
			b.ReportMetric(0, "ns/op")
			r.percentiles("pending", `SELECT moved_at - placed_at AS d FROM website.orders`)
			r.percentiles("behind", `SELECT seen_at - sent_at AS d FROM website.history`)
		})
	}
}

func (r *runner) percentiles(name, durations string) {
	r.b.Helper()
	for _, p := range []int{50, 99} {
		var ms float64
		if err := r.site.pool.QueryRow(r.b.Context(), `SELECT percentile_cont($1 / 100.0)
			WITHIN GROUP (ORDER BY extract(epoch FROM d) * 1000) FROM (`+durations+`) w`, p).
			Scan(&ms); err != nil {
			r.b.Fatal(err)
		}
		r.b.ReportMetric(ms, fmt.Sprintf("%s-p%d-ms", name, p))
	}
}
