package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// placer takes an order, see [shop.Counter].
type placer = func(context.Context, shop.Order) error

// door is one way to take an order, behind the same HTTP API.
type door struct {
	name  string
	place func(outbox.Settings, *pgxpool.Pool) placer
}

// The bare ways write one row for an order, and none for a message.
const (
	bareInsert = `INSERT INTO bare (id, body) VALUES ($1, $2)`
	bareNotify = `WITH written AS (INSERT INTO bare (id, body) VALUES ($1, $2))
		SELECT pg_notify('bare', '')`
)

func bare(query string) func(outbox.Settings, *pgxpool.Pool) placer {
	return func(_ outbox.Settings, pool *pgxpool.Pool) placer {
		return func(ctx context.Context, o shop.Order) error {
			_, err := pool.Exec(ctx, query, o.ID, o)
			return err
		}
	}
}

func theStep(s outbox.Settings, pool *pgxpool.Pool) placer {
	return outbox.NewProducer(pool, s).Place
}

// BenchmarkFrontDoor is what the producer takes over HTTP, from 64 customers who
// order again as soon as they have an answer, beside a bare INSERT of one row behind
// the same API, without and with a NOTIFY in its transaction. The ways take turns,
// and a ratio is that of two neighbours in time.
func BenchmarkFrontDoor(b *testing.B) {
	const rounds, customers, n = 5, 64, 64 * 150
	doors := []door{
		{"bare", bare(bareInsert)}, {"bare-with-NOTIFY", bare(bareNotify)}, {"step", theStep},
	}
	for b.Loop() {
		s, pool := onDatabase(b)
		exec(b, pool, `CREATE TABLE bare (id uuid PRIMARY KEY, body jsonb NOT NULL)`)
		var all, ratio [3]rates
		for range rounds {
			for i, d := range doors {
				exec(b, pool, `TRUNCATE bare, orders, outbox`)
				exec(b, pool, `CHECKPOINT`)
				all[i].add(askedOverHTTP(b, d.place(s, pool), customers, n))
				ratio[i].add(all[i].last() / all[0].last())
			}
		}
		for i, d := range doors {
			b.ReportMetric(all[i].median(), d.name+"/s")
			b.ReportMetric(ratio[i].median(), "x-bare-"+d.name)
			b.ReportMetric(ratio[i].quantile(0), "x-at-least-"+d.name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEndToEnd is how many orders are both taken and done a second, by one
// producer and two consumers.
func BenchmarkEndToEnd(b *testing.B) {
	const customers, n = 64, 64 * 500
	for b.Loop() {
		s, pool := onDatabase(b)
		var runs []func(context.Context) error
		for i := range 2 {
			c, _ := consumer(b, s, fmt.Sprint("consumer-", i+1))
			runs = append(runs, c.Run)
		}
		runs = append(runs, func(ctx context.Context) error {
			askedOverHTTP(b, outbox.NewProducer(pool, s).Place, customers, n)
			<-ctx.Done()
			return nil
		})
		took := timeUntil(b, func() bool { return number(b, pool, effects) >= n }, runs...)
		b.ReportMetric(n/took.Seconds(), "orders/s")
	}
	b.ReportMetric(0, "ns/op")
}

// askedOverHTTP returns how many orders a second are taken from so many customers.
func askedOverHTTP(
	t testing.TB, place placer, customers, n int,
) float64 {
	t.Helper()
	server := httptest.NewServer(shop.Counter{Place: place}.Handler())
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: customers}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	began := time.Now()
	for range customers {
		all.Go(func() {
			for range n / customers {
				resp, err := client.Post(server.URL+"/orders", "application/json", nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusAccepted {
					t.Errorf("status %d", resp.StatusCode)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(began).Seconds()
}
