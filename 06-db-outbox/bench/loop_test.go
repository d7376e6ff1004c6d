package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ownLoop is what one would write oneself on an afternoon: take a hundred with SKIP
// LOCKED, write the effect, delete them, commit. It counts no failures, remembers no
// doubts, keeps nothing of what is done and says nothing to a log.
type ownLoop struct {
	pool  *pgxpool.Pool
	batch int
}

func (l ownLoop) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := pgx.BeginFunc(context.WithoutCancel(ctx), l.pool, l.round); err != nil {
			return err
		}
	}
	return nil
}

func (l ownLoop) round(tx pgx.Tx) error {
	ctx := context.Background()
	rows, err := tx.Query(ctx, `SELECT id, body FROM outbox WHERE dead_at IS NULL
		ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, l.batch)
	if err != nil {
		return err
	}
	var ids []int64
	var orders []shop.Order
	var id int64
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &body}, func() error {
		var order shop.Order
		ids, orders = append(ids, id), append(orders, order)
		return json.Unmarshal(body, &orders[len(orders)-1])
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := apply(ctx, tx, orders...); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id = ANY($1)`, ids)
	return err
}

// drainByLoop is drain with two goroutines that loop by themselves.
func drainByLoop(t testing.TB, batch, n int) float64 {
	t.Helper()
	_, pool := onDatabase(t)
	defer pool.Close()
	fill(t, pool, n, n)
	exec(t, pool, `VACUUM outbox`)
	exec(t, pool, `CHECKPOINT`)
	l := ownLoop{pool, batch}
	took := timeUntil(t, func() bool { return number(t, pool, effects) >= n }, l.run, l.run)
	return float64(n) / took.Seconds()
}

// BenchmarkAgainstLoop compares the step with a loop of one's own, both in batches of
// a hundred with two workers, in turns.
func BenchmarkAgainstLoop(b *testing.B) {
	const rounds, n = 11, 30_000
	var loop, step, ratio rates
	s := outbox.DefaultSettings()
	s.Batch, s.Workers = 100, 2
	for b.Loop() {
		for range rounds {
			loop.add(drainByLoop(b, s.Batch, n))
			step.add(drain(b, s, n))
			ratio.add(step.last() / loop.last())
		}
	}
	b.ReportMetric(loop.median(), "loop/s")
	b.ReportMetric(step.median(), "step/s")
	b.ReportMetric(ratio.median(), "x-loop")
	b.ReportMetric(ratio.quantile(0), "x-at-least")
	b.ReportMetric(ratio.quantile(1), "x-at-most")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLongDrain drains a million orders in one go and reports the rate of each
// tenth: what is done must not slow down what is left.
func BenchmarkLongDrain(b *testing.B) {
	const n, parts = 1_000_000, 10
	for b.Loop() {
		own, pool := onDatabase(b)
		s := outbox.DefaultSettings()
		s.URL, s.Work, s.Workers = own.URL, 0, 2
		fill(b, pool, n, n)
		exec(b, pool, `VACUUM outbox`)
		exec(b, pool, `CHECKPOINT`)
		c, _ := consumer(b, s, "consumer-1")
		var tenths rates
		part := 1
		began := now()
		timeUntil(b, func() bool {
			if number(b, pool, effects) >= part*n/parts {
				tenths.add(n / parts / began.lap())
				part++
			}
			return part > parts
		}, c.Run)
		for i, rate := range tenths.all {
			b.ReportMetric(rate, fmt.Sprintf("tenth-%02d/s", i+1))
		}
		b.ReportMetric(tenths.quantile(0)/tenths.median(), "slowest-x-median")
		b.ReportMetric(tenths.last()/tenths.all[0], "last-x-first")
	}
	b.ReportMetric(0, "ns/op")
}
