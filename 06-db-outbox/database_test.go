package outbox

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds every wait in the tests. None takes nearly as long.
const patience = time.Minute

func TestMain(m *testing.M) {
	log := slog.DiscardHandler
	if os.Getenv("LOG") != "" { // LOG=1 shows what the code under test logs
		log = slog.NewTextHandler(os.Stderr, nil)
	}
	slog.SetDefault(slog.New(audible{log}))
	servicestest.Main(m)
}

// audible is a log that also tells the test whose context a line was written with:
// there is one log, and many tests at a time.
type audible struct{ slog.Handler }

func (audible) Enabled(context.Context, slog.Level) bool { return true }

func (a audible) Handle(ctx context.Context, r slog.Record) error {
	if e, ok := ctx.Value(earKey{}).(*ear); ok {
		e.hear(r)
	}
	if !a.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return a.Handler.Handle(ctx, r)
}

// ear hears which orders were said to be processed, and by which effect, and which
// to have failed.
type ear struct {
	mu     sync.Mutex
	said   []string // "order effect"
	failed []string // orders
}

type earKey struct{}

func listening(ctx context.Context) (context.Context, *ear) {
	e := new(ear)
	return context.WithValue(ctx, earKey{}, e), e
}

func (e *ear) hear(r slog.Record) {
	if r.Message != shop.MsgProcessed && r.Message != shop.MsgFailed {
		return
	}
	var order, effect string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "order":
			order = a.Value.String()
		case "effect":
			effect = a.Value.String()
		}
		return true
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Message == shop.MsgFailed {
		e.failed = append(e.failed, order)
		return
	}
	e.said = append(e.said, order+" "+effect)
}

// lines are what was heard, in alphabetical order.
func (e *ear) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(slices.Values(e.said))
}

// onDatabase returns settings for a database of the test's own, and a pool on it
// with the tables made.
func onDatabase(t testing.TB) (Settings, *pgxpool.Pool) {
	t.Helper()
	s := DefaultSettings()
	s.URL = servicestest.Postgres(t)
	s.Name = "consumer-1"
	pool := newPool(t, s)
	if err := Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return s, pool
}

func newPool(t testing.TB, s Settings) *pgxpool.Pool {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	pool, err := Open(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("after %s still no %s", patience, what)
		panic("unreachable")
	}
}

// background is a Run that the test can stop, which waits for its end.
type background struct {
	stop func()
	done chan error
	once sync.Once
	err  error
}

func start(t testing.TB, run func(context.Context) error) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{stop: cancel, done: make(chan error, 1)}
	go func() { b.done <- run(ctx) }()
	t.Cleanup(func() { b.end(t) })
	return b
}

func (b *background) end(t testing.TB) {
	t.Helper()
	b.stop()
	b.once.Do(func() { b.err = receive(t, "end of Run", b.done) })
	if b.err != nil {
		t.Errorf("Run: %v", b.err)
	}
}

func newOrder(t testing.TB, email string) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// place writes n orders with a producer of the settings.
func place(t testing.TB, s Settings, pool *pgxpool.Pool, n int) []string {
	t.Helper()
	p := NewProducer(pool, s)
	var ids []string
	for range n {
		order := newOrder(t, shop.SampleEmail)
		if err := p.Place(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, order.ID)
	}
	return ids
}

func noWork(context.Context, shop.Order) error { return nil }

// count returns the one number that the query asks for.
func count(t testing.TB, pool *pgxpool.Pool, query string, args ...any) int {
	t.Helper()
	var n int
	err := pool.QueryRow(context.Background(), query, args...).Scan(&n)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

const (
	countOpen = `SELECT count(*) FROM outbox WHERE ` + open
	countDead = `SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL`
	// A sample order takes one gopher, so this is how often an order was done:
	// the truth about duplicates, whatever a log says.
	countEffects = `SELECT coalesce(sum(reserved), 0) FROM stock WHERE sku = 'GO-GOPHER'`
	// A database as it is before the first migration.
	dropAll    = `DROP TABLE stock, last_effect, inbox, outbox, orders, goose_db_version`
	countInbox = `SELECT count(*) FROM inbox`
	// What must be said of the orders in the inbox, see [ear].
	inboxLines = `SELECT order_id || ' ' || effect FROM inbox`
)

func drained(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "nothing open", func() bool { return count(t, pool, countOpen) == 0 })
}

// truth compares the database with what it must say after n orders.
func truth(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	if open, dead := count(t, pool, countOpen), count(t, pool, countDead); open+dead > 0 {
		t.Errorf("%d messages are open and %d dead", open, dead)
	}
	if orders := count(t, pool, `SELECT count(*) FROM orders`); orders != n {
		t.Errorf("%d orders are in the books, want %d", orders, n)
	}
	if effects, inbox := count(t, pool, countEffects), count(t, pool, countInbox); effects != n ||
		inbox != n {
		t.Errorf("%d effects and %d rows in the inbox, want %d", effects, inbox, n)
	}
}

func exec(t testing.TB, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func queryTexts(t testing.TB, pool *pgxpool.Pool, query string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(context.Background(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
