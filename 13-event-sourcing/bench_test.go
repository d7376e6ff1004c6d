package eventsourcing

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Each benchmark runs a reference in the same run and reports the ratio to it, which says more
// than a rate on a machine that somebody else uses, too.

// atOnce runs do n times, by so many goroutines, and returns how often that is per second.
func atOnce(b *testing.B, n, goroutines int, do func(i int) error) float64 {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for range goroutines {
		group.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkAppend compares orders placed by as many customers as there is room for in the
// batches under way with the same rows, ready made, and nothing but the INSERT, in batches of
// as many, by as many writers. The outbox of step 06 writes the same orders, ready made as well.
func BenchmarkAppend(b *testing.B) {
	s, pool := onDatabase(b)
	exec(b, pool, outboxTables)
	p := NewProducer(pool, s)
	n := (max(b.N, 20_000)/s.Group + 1) * s.Group
	var ours, ofBare, ofOutbox []float64
	for range 5 {
		orders := make([]shop.Order, n)
		for i := range orders {
			orders[i] = newOrder(b, shop.SampleEmail)
		}
		exec(b, pool, `CHECKPOINT`)
		placed := atOnce(b, n, s.Group*s.Writers, func(i int) error {
			return p.Place(context.Background(), orders[i-1])
		})
		events, outbox := readyMade(b, p, n)
		bare := float64(s.Group) * atOnce(b, len(events), s.Writers, func(i int) error {
			_, err := insert(context.Background(), pool, events[i-1])
			return err
		})
		boxed := float64(s.Group) * atOnce(b, len(outbox), s.Writers, func(i int) error {
			_, err := pool.Exec(context.Background(), outboxSQL, outbox[i-1]...)
			return err
		})
		ours = append(ours, placed)
		ofBare, ofOutbox = append(ofBare, placed/bare), append(ofOutbox, bare/boxed)
	}
	b.ReportMetric(median(ours), "orders/s")
	b.ReportMetric(median(ofBare), "of-bare")
	b.ReportMetric(median(ofOutbox), "bare-of-outbox")
	b.ReportMetric(0, "ns/op")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// readyMade returns n orders in batches: as events, and as step 06 writes them.
func readyMade(b *testing.B, p *Producer, n int) (events []*rows, outbox [][]any) {
	b.Helper()
	for range n / p.settings.Group {
		batch, body := make([]*entry, p.settings.Group), []byte(nil)
		var ids [][16]byte
		var emails []string
		var bodies [][]byte
		var totals []int64
		var times []time.Time
		for i := range batch {
			order := newOrder(b, shop.SampleEmail)
			id, err := shop.ParseID(order.ID)
			if err == nil {
				body, err = json.Marshal(order)
			}
			if err != nil {
				b.Fatal(err)
			}
			batch[i] = &entry{stream: id, command: id, metadata: metadata{Producer: p.settings.Name, At: p.now()},
				events: []Event{placedNow(order.Items)}}
			ids, emails, bodies = append(ids, id), append(emails, order.UserEmail), append(bodies, body)
			totals, times = append(totals, order.TotalCents()), append(times, order.PlacedAt)
		}
		if err := p.seal(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		all := &rows{}
		for _, e := range batch {
			if err := all.add(e, p.settings.Writes); err != nil {
				b.Fatal(err)
			}
		}
		events = append(events, all)
		outbox = append(outbox, []any{ids, emails, bodies, totals, times, "order.placed", 1})
	}
	return events, outbox
}

// What step 06 writes for an order, and where.
const (
	outboxTables = `
		CREATE TABLE orders (id uuid PRIMARY KEY, user_email text NOT NULL, items jsonb NOT NULL,
			total_cents bigint NOT NULL, placed_at timestamptz NOT NULL);
		CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid,
			customer text NOT NULL DEFAULT '', event text NOT NULL, version integer NOT NULL,
			body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), dead_at timestamptz,
			error text, attempts integer NOT NULL DEFAULT 0,
			not_before timestamptz NOT NULL DEFAULT now(), row_version integer NOT NULL DEFAULT 0);
		CREATE INDEX outbox_ready ON outbox (id) WHERE dead_at IS NULL;
		CREATE INDEX outbox_ready_by_customer ON outbox (customer, id) WHERE dead_at IS NULL`
	outboxSQL = `
		WITH placed AS (
			SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::bigint[], $5::timestamptz[])
			AS placed (id, email, body, total, at)
		), booked AS (
			INSERT INTO orders (id, user_email, items, total_cents, placed_at)
			SELECT id, email, body -> 'items', total, at FROM placed
		)
		INSERT INTO outbox (order_id, customer, event, version, body)
		SELECT id, email, $6, $7, body FROM placed`
)

// BenchmarkOrder compares the two ways to keep the log in order.
func BenchmarkOrder(b *testing.B) {
	for _, writers := range []int{2, 8} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, pool := onDatabase(b)
			s.Writers = writers
			rate := func(order string) float64 {
				s := s
				s.Order = order
				p := NewProducer(pool, s)
				return atOnce(b, max(b.N, 5000), 256, func(int) error {
					order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
					if err != nil {
						return err
					}
					return p.Place(context.Background(), order)
				})
			}
			var ratios []float64
			for range 5 {
				ratios = append(ratios, rate(orderLock)/rate(orderSnapshot))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[2], "lock/snapshot")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkConflicts has 1 to 64 writers add items: all to the same order, or each to one of
// its own.
func BenchmarkConflicts(b *testing.B) {
	for _, writers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, pool := onDatabase(b)
			p := NewProducer(pool, s)
			run := func(streams int) (rate, again float64) {
				before := p.retries.Load()
				var orders []uuid.UUID
				for range streams {
					orders = append(orders, place(b, p, 1)[0])
				}
				const each = 128
				rate = atOnce(b, each, writers, func(i int) error {
					id, err := uuid.NewV7()
					if err != nil {
						return err
					}
					_, err = p.Execute(context.Background(), request{
						id: id, stream: orders[i%streams], command: AddItems{oneMug}})
					return err
				})
				return rate, float64(p.retries.Load()-before) / each
			}
			one, again := run(1)
			many, _ := run(writers)
			b.ReportMetric(one/many, "one/many")
			b.ReportMetric(again, "retries/command")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fill writes so many orders of one event each, quickly.
func fill(b *testing.B, pool *pgxpool.Pool, n int) {
	b.Helper()
	ctx := context.Background()
	_, err := pool.Exec(ctx, `
		INSERT INTO events (stream, version, type, schema, body, command, ordinal, metadata, hash)
		SELECT id, 1, 'order-placed', 4, '{"currency":"EUR",
			"items":[{"sku":"GO-GOPHER","quantity":1,"price_cents":1999}],
			"placed_at":"2026-11-28T10:00:00Z",
			"personal":{"customer":"5e0e8a0c-1b7e-4a0f-9a53-0f6f5a1f3c11",
				"text":"pKvURIxJVi2CgRXROh/M6pJ/UrTVRZKX+LQ+QtqJI4vBNibkPcs43bCCSA=="}}',
			id, 0, '{"producer":"producer-1","at":"2026-11-28T10:00:00.123456789Z"}', sha256(uuid_send(id))
		FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) ids`, n)
	if err == nil {
		_, err = pool.Exec(ctx, `VACUUM (ANALYZE) events`)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// number is a size that the environment may change: EVENTS=1000000.
func number(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}

// BenchmarkRebuild compares how fast a model is built from zero, by one projector and by four,
// with how fast the log can be copied out. The two take turns.
func BenchmarkRebuild(b *testing.B) {
	n := number(b, "EVENTS", 100_000)
	s, pool := onDatabase(b)
	fill(b, pool, n)
	conn, err := pool.Acquire(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	rate := func(do func() error) float64 {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		return float64(n) / time.Since(began).Seconds()
	}
	for _, projectors := range []int{1, 4} {
		b.Run(fmt.Sprintf("projectors=%d", projectors), func(b *testing.B) {
			for range projectors {
				project(b, pool, s, "stock")
			}
			var built, ofCopy []float64
			for range 5 {
				copied := rate(func() error {
					_, err := conn.Conn().PgConn().CopyTo(context.Background(), io.Discard,
						`COPY events TO STDOUT`)
					return err
				})
				again := rate(func() error {
					_, err := Rebuild(context.Background(), pool, s, "stock", projectors)
					return err
				})
				built, ofCopy = append(built, again), append(ofCopy, again/copied)
			}
			b.ReportMetric(median(built), "events/s")
			b.ReportMetric(median(ofCopy), "of-copy")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkReadOrder reads one order of so many events, with a snapshot and without.
func BenchmarkReadOrder(b *testing.B) {
	for _, length := range []int{10, 1000, 10_000} {
		s, pool := onDatabase(b)
		id := place(b, NewProducer(pool, s), 1)[0]
		if _, err := pool.Exec(context.Background(), `
			INSERT INTO events (stream, version, type, schema, body, command, ordinal, metadata, hash)
			SELECT $1, n, 'items-added', 1, '{"items":[{"sku":"MUG-CHAN","quantity":1,
				"price_cents":1250}]}', gen_random_uuid(), 0, '{}', ''
			FROM generate_series(2, $2::int) n`, id, length); err != nil {
			b.Fatal(err)
		}
		for _, every := range []int{0, 100} {
			b.Run(fmt.Sprintf("events=%d/snapshot=%d", length, every), func(b *testing.B) {
				s.Snapshot = every
				p := NewProducer(pool, s)
				for range 2 { // the first writes the snapshot
					if _, _, _, err := p.current(context.Background(), id); err != nil {
						b.Fatal(err)
					}
				}
				for b.Loop() {
					if _, _, _, err := p.current(context.Background(), id); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkLag measures how far the read model of the stock is behind: from the answer to an
// order to the moment at which a query shows it.
func BenchmarkLag(b *testing.B) {
	s, pool := onDatabase(b)
	s.Wait = patience
	p := NewProducer(pool, s)
	start(b, p.Run)
	project(b, pool, s, everyProjection...)
	full := atOnce(b, 3000, 64, func(int) error {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			return err
		}
		return p.Place(context.Background(), order)
	})
	drained(b, pool)
	const samples = 500
	lags := make([]time.Duration, samples)
	tick := time.NewTicker(time.Duration(float64(time.Second) / (full / 2)))
	defer tick.Stop()
	var group sync.WaitGroup
	for i := range int(full) * 2 { // four seconds at half load
		<-tick.C
		group.Go(func() {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			if err != nil {
				b.Error(err)
				return
			}
			id := uuid.MustParse(order.ID)
			done, err := p.Execute(context.Background(), request{id: id, stream: id,
				command: PlaceOrder{order}, fresh: true})
			if err != nil {
				b.Error(err)
				return
			}
			if each := int(full) * 2 / samples; each > 0 && i%each == 0 && i/each < samples {
				began := time.Now()
				if err := p.await(context.Background(), "stock", done.Place); err != nil {
					b.Error(err)
				}
				lags[i/each] = time.Since(began)
			}
		})
	}
	group.Wait()
	slices.Sort(lags)
	b.ReportMetric(float64(lags[samples/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(lags[samples*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(full/2, "orders/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrowth compares the rate of appends to a log that is large with that to a small one.
func BenchmarkGrowth(b *testing.B) {
	large := number(b, "EVENTS", 1_000_000)
	s, small := onDatabase(b)
	_, big := onDatabase(b)
	fill(b, small, 10_000)
	fill(b, big, large)
	rate := func(pool *pgxpool.Pool) float64 {
		p := NewProducer(pool, s)
		return atOnce(b, 5000, 256, func(int) error {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			if err != nil {
				return err
			}
			return p.Place(context.Background(), order)
		})
	}
	var ratios []float64
	for range 5 {
		ratios = append(ratios, rate(big)/rate(small))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[2], "large/small")
	b.ReportMetric(0, "ns/op")
}
