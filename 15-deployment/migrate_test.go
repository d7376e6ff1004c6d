package deployment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is a database with the tables of a version.
type store struct {
	pool     *pgxpool.Pool
	settings Settings
}

func newStore(t *testing.T, version int64) store {
	t.Helper()
	s := DefaultSettings()
	s.URL, s.Work = servicestest.Postgres(t), 0
	pool, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := store{pool, s}
	db.migrate(t, version)
	return db
}

func (db store) migrate(t *testing.T, version int64) {
	t.Helper()
	if err := Migrate(t.Context(), db.pool, version); err != nil {
		t.Fatal(err)
	}
}

func (db store) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := db.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (db store) count(t *testing.T, sql string) (n int) {
	t.Helper()
	if err := db.pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// place places an order with a version.
func (db store) place(ctx context.Context, version string) error {
	order, err := shop.NewOrder("ada@example.com", shop.SampleItems()...)
	if err != nil {
		return err
	}
	return NewProducer(db.pool, db.settings, releases[version]).Place(ctx, order)
}

// work does one order with a version.
func (db store) work(ctx context.Context, version string) (bool, error) {
	return NewConsumer(db.pool, db.settings, releases[version]).one(ctx)
}

func (db store) ready(ctx context.Context, version string) error {
	return errors.Join(NewProducer(db.pool, db.settings, releases[version]).Ready(ctx),
		NewConsumer(db.pool, db.settings, releases[version]).Ready(ctx))
}

// Which version is ready for which tables: this is what keeps a rollout from going wrong.
func TestReadyForTheTables(t *testing.T) {
	t.Parallel()
	for version, ready := range map[int64]map[string]bool{
		Base: {"v1": true}, Expanded: {"v1": true, "v2": true}, Contract: {"v2": true},
	} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			db := newStore(t, version)
			for _, release := range []string{"v1", "v2"} {
				for program, err := range map[string]error{
					"producer": NewProducer(db.pool, db.settings, releases[release]).Ready(t.Context()),
					"consumer": NewConsumer(db.pool, db.settings, releases[release]).Ready(t.Context()),
				} {
					if (err == nil) != ready[release] {
						t.Errorf("the %s of %s is ready: %v", program, release, err)
					}
				}
			}
			if n := db.count(t, `SELECT count(*) FROM orders`); n != 0 {
				t.Errorf("asking for readiness has left %d orders", n)
			}
		})
	}
}

// In the expanded tables either version does what the other has taken.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	db := newStore(t, Base)
	if err := db.place(t.Context(), "v1"); err != nil { // before v2 was thought of
		t.Fatal(err)
	}
	db.migrate(t, Expanded)
	if filled, err := Backfill(t.Context(), db.pool, 10); filled != 1 || err != nil {
		t.Errorf("backfilled %d: %v", filled, err)
	}
	for i, c := range [][2]string{{"v1", "v2"}, {"v2", "v1"}, {"v1", "v1"}, {"v2", "v2"}} {
		if err := db.place(t.Context(), c[0]); err != nil {
			t.Errorf("%s places: %v", c[0], err)
		}
		if found, err := db.work(t.Context(), c[1]); !found || err != nil {
			t.Errorf("%s does it: %v, %v", c[1], found, err)
		}
		if n := db.count(t, `SELECT count(*) FROM mails WHERE sent_to = 'ada@example.com'`); n != i+1 {
			t.Errorf("%v: %d letters", c, n)
		}
	}
	db.migrate(t, Contract)
	if found, err := db.work(t.Context(), "v2"); !found || err != nil {
		t.Errorf("after the contraction: %v, %v", found, err)
	}
	db.migrate(t, Expanded) // is older than what is there, and changes nothing
	if err := db.ready(t.Context(), "v2"); err != nil {
		t.Error(err)
	}
	book, err := ReadBook(t.Context(), db.pool)
	if want := (Book{Accepted: 5, Processed: 5}); err != nil || book != want {
		t.Errorf("book %+v, %v", book, err)
	}
}

// A backfill that is broken off anywhere goes on where it was.
func TestBackfillGoesOn(t *testing.T) {
	t.Parallel()
	db := newStore(t, Base)
	db.exec(t, `INSERT INTO orders (id, user_email, total_cents, placed_at)
		SELECT gen_random_uuid(), 'ada@example.com', 1, now() FROM generate_series(1, 250)`)
	db.migrate(t, Expanded)
	tx, err := db.pool.Begin(t.Context()) // a consumer has one of them in progress
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM orders LIMIT 1 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	filled, err := Backfill(ctx, db.pool, 100)
	if err == nil || filled > 249 {
		t.Errorf("one is in progress, and all %d are done: %v", filled, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What the one that was broken off had asked for may still have happened: only the rows tell.
	again, err := Backfill(t.Context(), db.pool, 100)
	if err != nil || db.count(t, `SELECT count(customer) FROM orders`) != 250 {
		t.Errorf("%d, then %d were filled: %v", filled, again, err)
	}
	if none, err := Backfill(t.Context(), db.pool, 100); none != 0 || err != nil {
		t.Errorf("once more: %d, %v", none, err)
	}
}

func TestNextBatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		batch int
		took  time.Duration
		next  int
	}{
		{10, batchTime / 10, 20}, {80, batchTime, 100}, {100, 0, 100},
		{100, batchTime + 1, 50}, {1, time.Hour, 1},
	} {
		if next := nextBatch(c.batch, 100, c.took); next != c.next {
			t.Errorf("%d rows took %s: then %d, want %d", c.batch, c.took, next, c.next)
		}
	}
}

// A database that is busy is asked for less at a time.
func TestBackfillGivesWay(t *testing.T) {
	t.Parallel()
	batches := map[bool]int{}
	for _, busy := range []bool{false, true} {
		db := newStore(t, Base)
		db.exec(t, `INSERT INTO orders (id, user_email, total_cents, placed_at)
			SELECT gen_random_uuid(), 'ada@example.com', 1, now() FROM generate_series(1, 40)`)
		db.migrate(t, Expanded)
		if busy { // each row takes its time
			db.exec(t, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
				'BEGIN PERFORM pg_sleep(0.03); RETURN NEW; END'`)
			db.exec(t, `CREATE TRIGGER slow BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION slow()`)
		}
		if filled, err := Backfill(t.Context(), db.pool, 100); filled != 40 || err != nil {
			t.Errorf("busy %v: %d were filled, %v", busy, filled, err)
		}
		batches[busy] = db.count(t, `SELECT count(DISTINCT xmin::text) FROM orders`)
	}
	if batches[true] < 15 || batches[false] >= batches[true] {
		t.Errorf("%d batches, and %d where the database is busy", batches[false], batches[true])
	}
}

// To contract before the backfill is done is refused, and nothing has changed.
func TestContractWaitsForTheBackfill(t *testing.T) {
	t.Parallel()
	db := newStore(t, Base)
	if err := db.place(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	db.migrate(t, Expanded)
	if err := Migrate(t.Context(), db.pool, Contract); err == nil {
		t.Error("an order without a customer, and the old column is gone")
	}
	if err := db.ready(t.Context(), "v1"); err != nil {
		t.Errorf("v1 cannot go on: %v", err)
	}
}

// The wrong orders of things. Each breaks the version that still runs, or the way back.
func TestWrongOrders(t *testing.T) {
	t.Parallel()
	const rename = `ALTER TABLE orders RENAME COLUMN user_email TO customer`
	for name, c := range map[string]struct {
		do     func(t *testing.T, db store)
		breaks string // the version that cannot take orders any more
	}{
		"contract-first": {func(t *testing.T, db store) { db.migrate(t, Contract) }, "v1"},
		"both-at-once":   {func(t *testing.T, db store) { db.exec(t, rename) }, "v1"},
		"code-first":     {func(*testing.T, store) {}, "v2"},
		"expand":         {func(t *testing.T, db store) { db.migrate(t, Expanded) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newStore(t, Base)
			c.do(t, db)
			for _, version := range []string{"v1", "v2"} {
				err := db.place(t.Context(), version)
				if broken := err != nil; broken != (version == c.breaks) {
					t.Errorf("%s places an order: %v", version, err)
				}
			}
		})
	}
}

// A column keeps its name and its type, and v2 means something else by it: no statement fails, every
// replica is ready, and the letters are wrong. What means something else must have another name.
func TestSameNameNewMeaning(t *testing.T) {
	t.Parallel()
	for version, red := range map[string]bool{"v2": false, "v2-euros": true} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			db := newStore(t, Expanded)
			if err := errors.Join(db.ready(t.Context(), version), db.place(t.Context(), version)); err != nil {
				t.Fatal(err)
			}
			if found, err := db.work(t.Context(), "v1"); !found || err != nil {
				t.Fatalf("v1 does it: %v, %v", found, err)
			}
			sample := shop.Order{Items: shop.SampleItems()}
			billed := db.count(t, `SELECT sum(billed_cents) FROM mails`)
			if wrong := int64(billed) != sample.TotalCents(); wrong != red {
				t.Errorf("%d cents were billed for %d", billed, sample.TotalCents())
			}
		})
	}
}

// A long query holds the table. Behind an ALTER TABLE that waits for it, all orders wait; a
// migration with a lock timeout lets them pass, and tries again.
func TestLongLock(t *testing.T) {
	t.Parallel()
	for name, patience := range map[string]time.Duration{"long-lock": 0, "right": lockTimeout} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newStore(t, Base)
			db.settings.Timeout = 3 * time.Second
			report, err := db.pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := report.Exec(t.Context(), `SELECT count(*) FROM orders`); err != nil {
				t.Fatal(err)
			}
			migrated := make(chan error, 1)
			go func() { migrated <- migrate(t.Context(), db.pool, Expanded, patience) }()
			db.awaitALock(t)
			err = db.place(t.Context(), "v1")
			if red := patience == 0; (err != nil) != red {
				t.Errorf("an order behind the migration: %v", err)
			}
			if err := report.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-migrated; err != nil {
				t.Errorf("the migration did not come through in the end: %v", err)
			}
		})
	}
}

// awaitALock returns when a statement of the migration waits for the table.
func (db store) awaitALock(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for db.count(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND wait_event_type = 'Lock' AND query LIKE '%ALTER TABLE%'`) == 0 {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("the migration does not wait for the table")
		}
	}
}

// A database that takes connections and says nothing has not taken the order: the customer may come
// again, and is told so in time.
func TestASilentDatabaseTakesNoOrder(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s := DefaultSettings()
	s.URL = "postgres://shop:shop@" + listener.Addr().String() + "/shop?sslmode=disable"
	s.Timeout = 200 * time.Millisecond
	pool, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	p := NewProducer(pool, s, releases["v1"])
	door := httptest.NewRecorder()
	shop.Counter{Place: p.Place}.Handler().ServeHTTP(door,
		httptest.NewRequest(http.MethodPost, "/orders", nil))
	if door.Code != http.StatusServiceUnavailable {
		t.Errorf("the customer is told %d %s", door.Code, door.Body)
	}
	if err := p.Ready(t.Context()); err == nil {
		t.Error("the producer calls itself ready")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-database-url=postgres://shop:hunter2@localhost:many/": "want postgres://user:password@",
		"-variant=sloppy": "no-drain, no-readiness, script, stop-all",
		"-version=v9":     "v1, v2",
		"-workers=0":      "workers must be 1",
		"-work=5s":        "choose a longer timeout",
		"-poll=0s":        "poll must be",
		"-strategy=bold":  "-h lists the flags",
		"-cache=-1":       "cache must be 0",
	} {
		_, _, err := ReplicaSettings("producer", []string{args})
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want a usage error that says %q", args, err, want)
		}
	}
	for args, want := range map[string]string{
		"-strategy=bold": "blue-green, canary, rolling, stop-and-start",
		"-max-bad=1":     "between 0 and 1",
		"-enough=0":      "enough must be 1",
		"-look=0s":       "look must be",
		"-version=v9":    "v1, v2",
	} {
		if _, err := DeployerSettings([]string{args}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}
