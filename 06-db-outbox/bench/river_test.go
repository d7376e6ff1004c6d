package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// orderArgs is an order as a job of River's.
type orderArgs struct {
	Order shop.Order `json:"order"`
}

func (orderArgs) Kind() string { return "order.placed" }

// effectSQL is the effect of the step without its mark: a row in the inbox and
// the pieces in the stock. River marks its jobs by itself.
const effectSQL = `
	WITH fresh AS (
		INSERT INTO inbox (order_id, consumer)
		SELECT o, 'river' FROM unnest($1::text[]::uuid[]) o ORDER BY o
		ON CONFLICT DO NOTHING RETURNING order_id
	)
	INSERT INTO stock (sku, reserved)
	SELECT sku, sum(quantity)
	FROM unnest($2::text[]::uuid[], $3::text[], $4::bigint[]) line (order_id, sku, quantity)
	JOIN fresh USING (order_id)
	GROUP BY sku ORDER BY sku
	ON CONFLICT (sku) DO UPDATE SET reserved = stock.reserved + excluded.reserved`

// execer is a pool or a transaction.
type execer interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func apply(ctx context.Context, db execer, orders ...shop.Order) error {
	var ids, lineOf, skus []string
	var quantities []int64
	for _, o := range orders {
		ids = append(ids, o.ID)
		for _, item := range o.Items {
			lineOf, skus = append(lineOf, o.ID), append(skus, item.SKU)
			quantities = append(quantities, int64(item.Quantity))
		}
	}
	b := &pgx.Batch{}
	b.Queue(effectSQL, ids, lineOf, skus, quantities)
	return db.SendBatch(ctx, b).Close()
}

// inOneTransaction has the effect and River's mark in one transaction, as the
// step does: river.JobCompleteTx.
type inOneTransaction struct {
	river.WorkerDefaults[orderArgs]
	pool *pgxpool.Pool
}

func (w *inOneTransaction) Work(ctx context.Context, job *river.Job[orderArgs]) error {
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if err := apply(ctx, tx, job.Args.Order); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

// gathered hands its order to whoever writes the next batch of effects, and waits
// for the commit. River marks the job later, in batches of its own. So a crash in
// between repeats the job, and the inbox is what keeps the effect from happening
// twice.
type gathered struct {
	river.WorkerDefaults[orderArgs]
	gather chan<- waiting
}

type waiting struct {
	order shop.Order
	done  chan error
}

func (w *gathered) Work(ctx context.Context, job *river.Job[orderArgs]) error {
	mine := waiting{job.Args.Order, make(chan error, 1)}
	select {
	case w.gather <- mine:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-mine.done
}

// writeGathered writes what has gathered, at most so many at a time.
func writeGathered(ctx context.Context, pool *pgxpool.Pool, in <-chan waiting, most int) {
	for {
		var all []waiting
		select {
		case first := <-in:
			all = append(all, first)
		case <-ctx.Done():
			return
		}
	more:
		for len(all) < most {
			select {
			case next := <-in:
				all = append(all, next)
			default:
				break more
			}
		}
		orders := make([]shop.Order, len(all))
		for i, w := range all {
			orders[i] = w.order
		}
		err := apply(context.WithoutCancel(ctx), pool, orders...)
		for _, w := range all {
			w.done <- err
		}
	}
}

// riverSettings is what can be turned on River.
type riverSettings struct {
	name     string
	workers  int           // jobs at a time
	cooldown time.Duration // 0: River's default, 100 ms
	batch    int           // of effects; 0: each with its mark in one transaction
}

func (r riverSettings) String() string {
	return fmt.Sprintf("%s,workers=%d,effects=%d", r.name, r.workers, max(r.batch, 1))
}

const openJobs = `SELECT count(*) FROM river_job WHERE state <> 'completed'`

// riverBest is the fastest that BenchmarkDrain has found. More workers it does not take.
var riverBest = riverSettings{"cooldown=1ms", 10_000, time.Millisecond, 1000}

// drainRiver returns how many jobs per second River does. The clock stops at the last
// effect: a mark may come a moment later, and is not waited for.
func drainRiver(t testing.TB, r riverSettings, n int) float64 {
	t.Helper()
	s, watching := onDatabase(t)
	defer watching.Close()
	s.Connections = 24
	pool := newPool(t, s)
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	client, stop := newRiver(t, r, pool)
	defer stop()
	fillRiver(t, client, n)
	exec(t, pool, `VACUUM ANALYZE river_job`)
	exec(t, pool, `CHECKPOINT`)
	allDone := func() bool { return number(t, watching, effects) >= n }
	took := timeUntil(t, allDone, func(ctx context.Context) error {
		if err := client.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		<-ctx.Done()
		return client.Stop(context.WithoutCancel(ctx))
	})
	if done := number(t, watching, effects); done != n {
		t.Errorf("River: %d effects of %d jobs", done, n)
	}
	if open := number(t, watching, openJobs); open > 0 {
		t.Errorf("River has stopped with %d of %d jobs not marked", open, n)
	}
	return float64(n) / took.Seconds()
}

func newRiver(
	t testing.TB, r riverSettings, pool *pgxpool.Pool,
) (*river.Client[pgx.Tx], func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	workers := river.NewWorkers()
	if r.batch == 0 {
		river.AddWorker(workers, &inOneTransaction{pool: pool})
	} else {
		gather := make(chan waiting, r.workers)
		river.AddWorker(workers, &gathered{gather: gather})
		for range 2 {
			go writeGathered(ctx, pool, gather, r.batch)
		}
	}
	config := &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: r.workers}},
		Workers: workers,
	}
	if r.cooldown > 0 {
		config.FetchCooldown, config.FetchPollInterval = r.cooldown, r.cooldown
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		t.Fatal(errors.Join(err, context.Cause(ctx)))
	}
	return client, cancel
}

func fillRiver(t testing.TB, client *river.Client[pgx.Tx], n int) {
	t.Helper()
	var all []river.InsertManyParams
	for range n {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, river.InsertManyParams{Args: orderArgs{order}})
	}
	if _, err := client.InsertManyFast(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

// What is compared must do the same: one effect per order, whoever does it.
func TestBothHaveTheSameEffect(t *testing.T) {
	t.Parallel()
	const n = 50
	for _, r := range []riverSettings{
		{"one transaction", 10, 0, 0}, {"gathered", 10, time.Millisecond, 10},
	} {
		drainRiver(t, r, n) // compares the effects
	}
	s, pool := onDatabase(t)
	fill(t, pool, n, 1)
	drainFull(t, s, pool, n)
	theirs, ours := orderArgs{sample(t)}, outbox.OrderPlacedV1
	if theirs.Kind() != ours.Name {
		t.Errorf("they do different things: %s and %s", theirs.Kind(), ours)
	}
}

func sample(t testing.TB) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(order); err != nil {
		t.Fatal(err)
	}
	return order
}
