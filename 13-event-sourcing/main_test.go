package eventsourcing

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds every wait in the tests. None takes nearly as long.
const patience = time.Minute

func TestMain(m *testing.M) {
	log := slog.DiscardHandler
	if os.Getenv("LOG") != "" { // LOG=1 shows what the code under test logs
		log = slog.NewTextHandler(os.Stderr, nil)
	}
	slog.SetDefault(slog.New(log))
	servicestest.Main(m)
}

// onDatabase returns settings for a database of the test's own, with its tables.
func onDatabase(t testing.TB) (Settings, *pgxpool.Pool) {
	t.Helper()
	s := DefaultSettings()
	s.URL, s.Name, s.Work = servicestest.Postgres(t), "test", 0
	s.Poll = 20 * time.Millisecond
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
	t.Cleanup(func() { shop.Close("the database", pool.Close) })
	return pool
}

// running is something that runs until it is stopped.
type running struct {
	stop context.CancelFunc
	done chan error
}

// start runs it in a goroutine. Its end is waited for, and must be a good one.
func start(t testing.TB, run func(context.Context) error) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := running{cancel, make(chan error, 1)}
	go func() { r.done <- run(ctx) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

func (r running) end(t testing.TB) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		r.done <- nil
		if err != nil {
			t.Errorf("it did not end well: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
}

// project starts a projector for each of the projections.
func project(t testing.TB, pool *pgxpool.Pool, s Settings, names ...string) []running {
	t.Helper()
	var all []running
	for _, name := range names {
		all = append(all, start(t, NewProjector(pool, s, name, noWork).Run))
	}
	return all
}

func noWork(context.Context, shop.Order) error { return nil }

var everyProjection = []string{"customers", "stock", "sales", "mail"}

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
func receive[T any](t testing.TB, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatalf("after %s no %s", patience, what)
	}
	return value
}

func count(t testing.TB, pool *pgxpool.Pool, query string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func exec(t testing.TB, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// waitingSQL is the query of lab.yaml: what is still to be projected.
const waitingSQL = `
	SELECT count(*) FROM checkpoints c JOIN events e
	ON (e.txid, e.position) > (c.txid, c.position) AND ` + inPart

// visible waits until a projector can see all that was appended: a transaction in the database
// of another test may still be open.
func visible(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "all events are below the oldest open transaction", func() bool {
		return count(t, pool, `SELECT count(*) FROM events
			WHERE txid >= pg_snapshot_xmin(pg_current_snapshot())`) == 0
	})
}

// drained waits until every projection has come to the end of the log.
func drained(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "all is projected", func() bool { return count(t, pool, waitingSQL) == 0 })
}

// audited returns an audit, which must be clean.
func audited(t testing.TB, pool *pgxpool.Pool) Audit {
	t.Helper()
	a := audit(t, pool)
	if err := a.Err(); err != nil {
		t.Errorf("the audit: %v (%+v)", err, a)
	}
	return a
}

func audit(t testing.TB, pool *pgxpool.Pool) Audit {
	t.Helper()
	a, err := ReadAudit(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newOrder(t testing.TB, email string, items ...shop.Item) shop.Order {
	t.Helper()
	if len(items) == 0 {
		items = shop.SampleItems()
	}
	order, err := shop.NewOrder(email, items...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// place places n orders and returns their identities.
func place(t testing.TB, p *Producer, n int) (ids []uuid.UUID) {
	t.Helper()
	for range n {
		order := newOrder(t, shop.SampleEmail)
		if err := p.Place(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, uuid.MustParse(order.ID))
	}
	return ids
}

// ask is a command with an identity of its own.
func ask(t testing.TB, stream uuid.UUID, c Command) request {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return request{id: id, stream: stream, command: c}
}

func execute(t testing.TB, p *Producer, stream uuid.UUID, c Command) Done {
	t.Helper()
	done, err := p.Execute(t.Context(), ask(t, stream, c))
	if err != nil {
		t.Fatalf("%T: %v", c, err)
	}
	return done
}
