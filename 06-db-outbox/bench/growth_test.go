package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// BenchmarkGrowth prints what becomes of the step with more and more orders waiting:
// what the front door takes, how long an answer takes, how fast two workers drain, and
// how much room on the disk an order needs that waits. (How long it waits is the number
// before it by the rate.)
func BenchmarkGrowth(b *testing.B) {
	const customers, orders, drained = 64, 64 * 150, 50_000
	for b.Loop() {
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		say := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) }
		say("waiting\ttaken/s\tanswer p99\tdrained/s\tbytes each\t\n")
		for _, waiting := range []int{0, 10_000, 100_000, 1_000_000} {
			s, pool := onDatabase(b)
			fill(b, pool, waiting, max(waiting, 1))
			exec(b, pool, `VACUUM (ANALYZE) outbox`)
			exec(b, pool, `CHECKPOINT`)
			size := number(b, pool, `SELECT pg_total_relation_size('outbox')`)
			took := answers{make(chan time.Duration, orders)}
			place := took.of(outbox.NewProducer(pool, s).Place)
			rate := askedOverHTTP(b, place, customers, orders)
			fill(b, pool, drained, drained) // so many stand before as many as wait
			c, closePool := consumer(b, withWorkers(s, 2), "consumer-1")
			lap := now()
			timeUntil(b, func() bool { return number(b, pool, effects) >= drained }, c.Run)
			say("%d\t%.0f\t%.1f ms\t%.0f\t%s\t\n", waiting, rate,
				took.quantile(0.99).Seconds()*1000, drained/lap.lap(), each(size, waiting))
			closePool()
			pool.Close()
		}
		if err := table.Flush(); err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func each(bytes, waiting int) string {
	if waiting == 0 {
		return "-"
	}
	return strconv.Itoa(bytes / waiting)
}

func withWorkers(s outbox.Settings, n int) outbox.Settings {
	s.Workers = n
	return s
}

// BenchmarkOldSnapshot drains databases in turns that differ in one thing: during one
// drain a transaction is open elsewhere that has looked at something once, as a backup
// is. What is done meanwhile cannot be vacuumed.
func BenchmarkOldSnapshot(b *testing.B) {
	const rounds, n = 3, 200_000
	var free, held, ratio rates
	for b.Loop() {
		for range rounds {
			free.add(drainBeside(b, n, false))
			held.add(drainBeside(b, n, true))
			ratio.add(held.last() / free.last())
		}
	}
	b.ReportMetric(free.median(), "no-snapshot/s")
	b.ReportMetric(held.median(), "snapshot/s")
	b.ReportMetric(ratio.median(), "x-of-none")
	b.ReportMetric(ratio.quantile(0), "x-at-least")
	b.ReportMetric(ratio.quantile(1), "x-at-most")
	b.ReportMetric(0, "ns/op")
}

func drainBeside(b *testing.B, n int, snapshot bool) float64 {
	b.Helper()
	s, pool := onDatabase(b)
	defer pool.Close()
	fill(b, pool, n, n)
	exec(b, pool, `VACUUM outbox`)
	exec(b, pool, `CHECKPOINT`)
	if snapshot {
		backup, err := pool.BeginTx(b.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = backup.Rollback(context.WithoutCancel(b.Context())) }()
		if _, err := backup.Exec(b.Context(), `SELECT FROM orders`); err != nil {
			b.Fatal(err)
		}
	}
	return drainFull(b, withWorkers(s, 2), pool, n)
}

// answers are how long the customers waited.
type answers struct{ all chan time.Duration }

func (a answers) of(place placer) placer {
	return func(ctx context.Context, o shop.Order) error {
		began := time.Now()
		err := place(ctx, o)
		a.all <- time.Since(began)
		return err
	}
}

func (a answers) quantile(share float64) time.Duration {
	close(a.all)
	var sorted []time.Duration
	for d := range a.all {
		sorted = append(sorted, d)
	}
	slices.Sort(sorted)
	return sorted[int(share*float64(len(sorted)-1))]
}
