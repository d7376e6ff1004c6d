package bench

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkAgainstRiver is the one figure to judge this step by: River at its best
// and skip-locked in batches of 100, in turns, so that what else the machine does
// meets both. The ratio is that of two neighbours in time.
func BenchmarkAgainstRiver(b *testing.B) {
	const rounds = 7
	var river rates
	var ours, ratio [2]rates // with one worker, and with two
	s := outbox.DefaultSettings()
	s.Batch = 100
	for b.Loop() {
		for range rounds {
			theirs := drainRiver(b, riverBest, 40_000)
			river.add(theirs)
			for i := range ours {
				s.Workers = i + 1
				rate := drain(b, s, 40_000)
				ours[i].add(rate)
				ratio[i].add(rate / theirs)
			}
		}
	}
	b.ReportMetric(river.median(), "River/s")
	for i, workers := range []string{"one-worker", "two-workers"} {
		b.ReportMetric(ours[i].median(), workers+"/s")
		b.ReportMetric(ratio[i].median(), "x-River-"+workers)
		b.ReportMetric(ratio[i].quantile(0), "x-at-least-"+workers)
		b.ReportMetric(ratio[i].quantile(1), "x-at-most-"+workers)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDrain empties a full table: River, the lecture's poll, and skip-locked
// in batches, on the same server in the same run, with the same effect. What is
// likely to be River's best comes first: the ratios are to the best so far.
func BenchmarkDrain(b *testing.B) {
	best := 0.0 // of River
	measure := func(name string, rate func() float64) {
		b.Run(name, func(b *testing.B) {
			fastest := 0.0
			for b.Loop() {
				fastest = max(rate(), rate())
			}
			if strings.HasPrefix(name, "River") {
				best = max(best, fastest)
			}
			b.ReportMetric(fastest, "orders/s")
			b.ReportMetric(fastest/best, "x-of-best-River")
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, r := range []struct {
		settings riverSettings
		n        int
	}{
		{riverBest, 40_000},
		{riverSettings{"cooldown=1ms", 5000, time.Millisecond, 1000}, 40_000},
		{riverSettings{"cooldown=1ms", 2000, time.Millisecond, 1000}, 40_000},
		{riverSettings{"cooldown=1ms", 1000, time.Millisecond, 100}, 40_000},
		{riverSettings{"cooldown=1ms", 20, time.Millisecond, 0}, 4_000},
		{riverSettings{"defaults", 100, 0, 0}, 2_000},
		{riverSettings{"defaults", 10, 0, 0}, 300},
	} {
		measure("River/"+r.settings.String(), func() float64 {
			return drainRiver(b, r.settings, r.n)
		})
	}
	s := outbox.DefaultSettings()
	s.Take = "naive"
	measure("lecture's-poll", func() float64 { return drain(b, s, 20) })
	s.Take = "skip-locked"
	for _, o := range []struct{ batch, workers, n int }{
		{1, 1, 3_000}, {10, 1, 20_000}, {100, 1, 60_000},
		{1, 2, 3_000}, {10, 2, 20_000}, {100, 2, 60_000},
	} {
		s.Batch, s.Workers = o.batch, o.workers
		measure(fmt.Sprintf("skip-locked/batch=%d,workers=%d", o.batch, o.workers),
			func() float64 { return drain(b, s, o.n) })
	}
}

// drain returns how many messages per second one consumer does.
func drain(t testing.TB, s outbox.Settings, n int) float64 {
	t.Helper()
	return drainOf(t, s, n, n)
}

// drainOf is drain of the messages of so many customers.
func drainOf(t testing.TB, s outbox.Settings, n, customers int) float64 {
	t.Helper()
	own, pool := onDatabase(t)
	defer pool.Close()
	s.URL, s.Work = own.URL, 0
	fill(t, pool, n, customers)
	exec(t, pool, `VACUUM outbox`)
	exec(t, pool, `CHECKPOINT`)
	return drainFull(t, s, pool, n)
}

func drainFull(t testing.TB, s outbox.Settings, pool *pgxpool.Pool, n int) float64 {
	t.Helper()
	before := number(t, pool, effects)
	c, closePool := consumer(t, s, "consumer-1")
	defer closePool()
	// What is done leaves the outbox in the transaction of its effect.
	allDone := func() bool { return number(t, pool, effects) >= before+n }
	took := timeUntil(t, allDone, c.Run)
	if done := number(t, pool, effects) - before; done != n {
		t.Errorf("%d effects of %d messages", done, n)
	}
	return float64(n) / took.Seconds()
}

// BenchmarkOldRows drains databases in turns that differ in one thing: in one of
// them a million orders have been done, in the other none. A third is like the
// other: its ratio is 1 but for what the machine does besides, and says how far the
// first can be trusted. At last the million are removed during a drain.
func BenchmarkOldRows(b *testing.B) {
	const old, n, rounds = 1_000_000, 30_000, 15
	var none, full, ratio, control, swept, beside rates
	for b.Loop() {
		var settings [3]outbox.Settings
		var pools [3]*pgxpool.Pool
		for i := range pools {
			settings[i], pools[i] = onDatabase(b)
		}
		const young, twin, aged = 0, 1, 2
		fillProcessed(b, pools[aged], old)
		for i := range rounds {
			var rate [3]float64
			for k := range rate {
				at := (i + k) % len(rate) // each goes first as often as the others
				if at != aged {           // what the last round has left is old, too
					exec(b, pools[at], `TRUNCATE inbox`)
				}
				rate[at] = drainAgain(b, settings[at], pools[at], n)
			}
			none.add(rate[young])
			full.add(rate[aged])
			ratio.add(rate[aged] / rate[young])
			control.add(rate[twin] / rate[young])
		}
		rate, removed := drainWhileSwept(b, settings[aged], pools[aged], n)
		beside.add(rate)
		swept.add(removed)
	}
	b.ReportMetric(none.median(), "none-old/s")
	b.ReportMetric(full.median(), "million-old/s")
	for name, r := range map[string]*rates{"x-of-none-old": &ratio, "x-control": &control} {
		b.ReportMetric(r.median(), name)
		b.ReportMetric(r.quantile(0.25), name+"-quarter")
		b.ReportMetric(r.quantile(0.75), name+"-three-quarters")
	}
	b.ReportMetric(swept.median(), "swept/s")
	b.ReportMetric(beside.median(), "while-swept/s")
	b.ReportMetric(0, "ns/op")
}

// drainAgain is drain on a database that has been in use before, and for whose dead
// rows autovacuum had the time.
func drainAgain(t testing.TB, s outbox.Settings, pool *pgxpool.Pool, n int) float64 {
	t.Helper()
	s.Batch, s.Workers, s.Work = 100, 2, 0
	s.Keep = 24 * time.Hour // nobody sweeps but the sweeper
	fill(t, pool, n, n)
	exec(t, pool, `VACUUM outbox, stock, last_effect`)
	exec(t, pool, `CHECKPOINT`)
	return drainFull(t, s, pool, n)
}

// drainWhileSwept drains while all that is old is removed, as fast as that goes.
func drainWhileSwept(
	t testing.TB, s outbox.Settings, pool *pgxpool.Pool, n int,
) (drained, swept float64) {
	t.Helper()
	s.Keep = 30 * time.Minute // the million are an hour old
	sweeper, closePool := consumer(t, s, "sweeper")
	defer closePool()
	done := make(chan error, 1)
	var removed int64
	var took time.Duration
	go func() {
		began := time.Now()
		var err error
		removed, err = sweeper.Sweep(t.Context())
		took = time.Since(began)
		done <- err
	}()
	drained = drainAgain(t, s, pool, n)
	if err := <-done; err != nil {
		t.Error(err)
	}
	return drained, float64(removed) / took.Seconds()
}

// fillProcessed makes the database one in which n orders have been done, an hour
// ago. Their identities count up with the time, as UUIDs of version 7 do.
func fillProcessed(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	exec(t, pool, `
		INSERT INTO inbox (order_id, consumer, processed_at)
		SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint
				- 3600000 + i * 3), 12, '0') || '70008' || left(md5(i::text), 15))::uuid,
			'consumer-1', now() - interval '1 hour'
		FROM generate_series(1, $1) i`, n)
	exec(t, pool, `VACUUM ANALYZE inbox`)
}

// BenchmarkPerCustomer is the price of order: messages of so many customers, and
// none of a customer overtakes another. The two ways take turns.
func BenchmarkPerCustomer(b *testing.B) {
	const rounds = 5
	for _, c := range []struct{ customers, n int }{
		{1, 1_000}, // one after the other, and each look passes over all that wait
		{10, 10_000}, {100, 20_000}, {20_000, 20_000},
	} {
		b.Run(fmt.Sprintf("customers=%d", c.customers), func(b *testing.B) {
			var ratio, free, ordered rates
			for b.Loop() {
				for range rounds {
					s := outbox.DefaultSettings()
					s.Batch, s.Workers = 10, 4
					free.add(drainOf(b, s, 20_000, c.customers))
					s.PerCustomer = true
					ordered.add(drainOf(b, s, c.n, c.customers))
					ratio.add(ordered.last() / free.last())
				}
			}
			b.ReportMetric(free.median(), "any-order/s")
			b.ReportMetric(ordered.median(), "in-order/s")
			b.ReportMetric(ratio.median(), "x-of-any-order")
			b.ReportMetric(ratio.quantile(0), "x-at-least")
			b.ReportMetric(ratio.quantile(1), "x-at-most")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkLatency is the time from the producer's commit to the consumer's, for
// one order at a time, by polling and by NOTIFY.
func BenchmarkLatency(b *testing.B) {
	for _, wait := range []string{"poll", "notify"} {
		b.Run(wait, func(b *testing.B) {
			for b.Loop() {
				took := latencies(b, wait, 100)
				slices.Sort(took)
				b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
				b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latencies places n orders and returns how long each took, from Place's return
// to the line that says it is done, which comes right after the commit.
func latencies(b *testing.B, wait string, n int) []time.Duration {
	s, pool := onDatabase(b)
	s.Wait = wait
	lines := make(lineReader, n)
	before := slog.Default()
	slog.SetDefault(slog.New(lines))
	defer slog.SetDefault(before)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	done := make(chan error, 1)
	c, _ := consumer(b, s, "consumer-1")
	go func() { done <- c.Run(ctx) }()
	p := outbox.NewProducer(pool, s)
	place := func() time.Duration {
		if err := p.Place(ctx, sample(b)); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		return (<-lines).Sub(began)
	}
	place() // the first waits for tables and connections
	var took []time.Duration
	for range n {
		// Customers come when they come, which has nothing to do with the polls.
		<-time.After(rand.N(200 * time.Millisecond))
		took = append(took, place())
	}
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
	return took
}

// lineReader is a log that tells when an order was processed.
type lineReader chan time.Time

func (lineReader) Enabled(context.Context, slog.Level) bool { return true }
func (l lineReader) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l lineReader) WithGroup(string) slog.Handler          { return l }

func (l lineReader) Handle(_ context.Context, r slog.Record) error {
	if r.Message == shop.MsgProcessed {
		l <- r.Time
	}
	return nil
}

// rates are several measurements of the same thing, in the order of time.
type rates struct{ all []float64 }

func (r *rates) add(rate float64) { r.all = append(r.all, rate) }

func (r *rates) last() float64 { return r.all[len(r.all)-1] }

func (r *rates) median() float64 { return r.quantile(0.5) }

// quantile returns the measurement that so many of all are not above: 0 the
// smallest, 1 the largest.
func (r *rates) quantile(share float64) float64 {
	sorted := slices.Sorted(slices.Values(r.all))
	return sorted[int(share*float64(len(sorted)-1)+0.5)]
}
