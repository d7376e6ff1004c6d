package durable

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	saga "course.example/11-saga"
	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkArchitectures measures the same shop three times in one run: led by an orchestrator, as
// a choreography, and with durable execution. All programs share one process, and the machine
// with their servers.
//
//	sagas/s          of orders that come all at once
//	p50-ms, p99-ms   from the order to its end, at 50 orders a second
func BenchmarkArchitectures(b *testing.B) {
	messages := []program{saga.RunWebsite,
		serving(saga.Payment()), serving(saga.Inventory()), serving(saga.Shipping())}
	for _, a := range []architecture{
		{"orchestration", "right", append([]program{saga.RunOrchestrator}, messages...)},
		{"choreography", "choreography", messages},
		{"durable", "right", []program{here(RunWorker), here(RunWebsite)}},
	} {
		b.Run(a.name+"/rate", func(b *testing.B) { a.rate(b) })
		b.Run(a.name+"/latency", func(b *testing.B) { a.latency(b) })
	}
}

type program func(context.Context, saga.Settings) error

type architecture struct {
	name, variant string
	programs      []program
}

func serving(business saga.Business) program {
	return func(ctx context.Context, s saga.Settings) error {
		return saga.RunService(ctx, s, business)
	}
}

func here(run func(context.Context, Settings) error) program {
	return func(ctx context.Context, s saga.Settings) error {
		own := DefaultSettings()
		own.Settings = s
		return run(ctx, own)
	}
}

func (a architecture) rate(b *testing.B) {
	s, pool := a.open(b)
	b.ResetTimer()
	post(b, s, fmt.Sprintf("?count=%d", b.N))
	accepted(b, pool, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sagas/s")
	b.ReportMetric(0, "ns/op")
}

func (a architecture) latency(b *testing.B) {
	s, pool := a.open(b)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		<-tick.C
		post(b, s, "")
		n++
	}
	accepted(b, pool, n)
	b.ReportMetric(0, "ns/op")
	for _, p := range []int{50, 99} {
		var ms float64
		if err := pool.QueryRow(b.Context(), `SELECT percentile_cont($1 / 100.0) WITHIN GROUP
			(ORDER BY extract(epoch FROM moved_at - placed_at) * 1000) FROM website.orders`, p).
			Scan(&ms); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ms, fmt.Sprintf("p%d-ms", p))
	}
}

// open starts all programs of a shop of its own, and waits until an order has passed them.
func (a architecture) open(b *testing.B) (saga.Settings, *pgxpool.Pool) {
	b.Helper()
	s := saga.DefaultSettings()
	s.Variant, s.StepTimeout, s.Addr = a.variant, time.Minute, freeAddr(b)
	s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(b).URL, servicestest.Postgres(b)
	pool, err := saga.OpenDatabase(b.Context(), s, "benchmark", 2)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range a.programs {
		group.Go(func() {
			if err := run(ctx, s); err != nil {
				b.Error(err)
			}
		})
	}
	b.Cleanup(func() { stop(); group.Wait() })
	eventually(b, "the website is open", func() bool {
		resp, err := http.Get("http://" + s.Addr + "/healthz")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	post(b, s, "")
	accepted(b, pool, 1)
	if _, err := pool.Exec(b.Context(), `DELETE FROM website.orders`); err != nil {
		b.Fatal(err)
	}
	return s, pool
}

func freeAddr(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	return listener.Addr().String()
}

func post(b *testing.B, s saga.Settings, query string) {
	b.Helper()
	resp, err := http.Post("http://"+s.Addr+"/orders"+query, "application/json", nil)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusAccepted {
		b.Fatalf("status %d, %v: %s", resp.StatusCode, err, body)
	}
}

func accepted(b *testing.B, pool *pgxpool.Pool, n int) {
	b.Helper()
	eventually(b, "all orders have ended", func() bool {
		var ended int
		err := pool.QueryRow(b.Context(), `SELECT count(*) FROM website.orders
			WHERE state = 'Accepted'`).Scan(&ended)
		return err == nil && ended >= n
	})
}
