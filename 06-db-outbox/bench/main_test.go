package bench

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var svg = flag.String("svg", "", "draw the benchmark of the ways into this `FILE`")

func TestMain(m *testing.M) {
	flag.Parse()
	// A line per order on a terminal costs more than the order.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	code := servicestest.Run(m)
	if err := drawResults(*svg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// onDatabase returns the settings for a database of one's own, with its tables.
func onDatabase(t testing.TB) (outbox.Settings, *pgxpool.Pool) {
	t.Helper()
	s := outbox.DefaultSettings()
	s.URL = servicestest.Postgres(t)
	s.Work = 0
	pool := newPool(t, s)
	if err := outbox.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return s, pool
}

func newPool(t testing.TB, s outbox.Settings) *pgxpool.Pool {
	t.Helper()
	pool, err := outbox.Open(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// fill writes n messages, as many customers as wanted in turn.
func fill(t testing.TB, pool *pgxpool.Pool, n, customers int) {
	t.Helper()
	columns := []string{"order_id", "customer", "event", "version", "body"}
	row := func(i int) ([]any, error) {
		email := fmt.Sprintf("c%d@example.com", i%customers)
		order, err := shop.NewOrder(email, shop.SampleItems()...)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(order)
		id := [16]byte(uuid.MustParse(order.ID))
		kind := outbox.OrderPlacedV1
		return []any{id, email, kind.Name, int32(kind.Version), body}, err
	}
	_, err := pool.CopyFrom(context.Background(), pgx.Identifier{"outbox"}, columns,
		pgx.CopyFromSlice(n, row))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `ANALYZE outbox`)
}

func exec(t testing.TB, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func number(t testing.TB, pool *pgxpool.Pool, query string, args ...any) int {
	t.Helper()
	var n int
	if err := pool.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	// The order makes the planner take the index of what is open. Without it, one
	// row looks cheap to find by reading the table, past those that are dead.
	openMessages = `SELECT count(*) FROM (SELECT FROM outbox
		WHERE dead_at IS NULL ORDER BY id LIMIT 1) row_left`
	// A sample order takes one gopher: this is how many effects there were. It is one
	// row of a table of two, however many orders there are.
	effects = `SELECT coalesce(sum(reserved), 0) FROM stock WHERE sku = 'GO-GOPHER'`
)

// timeUntil runs the consumers and returns how long it took until all was done. It
// asks every ten milliseconds. To ask must be cheap, and as cheap for everybody:
// the server that answers is the one that is measured.
func timeUntil(
	t testing.TB, done func() bool, runs ...func(context.Context) error,
) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	ended := make(chan error, len(runs))
	began := time.Now()
	for _, run := range runs {
		go func() { ended <- run(ctx) }()
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case err := <-ended:
			t.Fatalf("a consumer ended: %v", err)
		case <-ctx.Done():
			t.Fatal("not done in three minutes")
		}
	}
	took := time.Since(began)
	cancel()
	for range runs {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return took
}

// consumer returns one of those that the settings describe, with connections of
// its own, as another process would have them, and how to close these.
func consumer(
	t testing.TB, s outbox.Settings, name string,
) (c *outbox.Consumer, closePool func()) {
	t.Helper()
	s.Name = name
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, s)
	work := func(ctx context.Context, o shop.Order) error { return shop.Work(ctx, o, s.Work) }
	return outbox.NewConsumer(pool, s, work), pool.Close
}

// watch measures laps.
type watch struct{ began time.Time }

func now() *watch { return &watch{time.Now()} }

// lap returns the seconds since the last lap.
func (w *watch) lap() float64 {
	began := w.began
	w.began = time.Now()
	return w.began.Sub(began).Seconds()
}
