package outbox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// order asks the producer's HTTP API for an order of that customer, and returns the
// status and the answer.
func order(p *Producer, email string) (int, string) {
	counter := shop.Counter{Place: p.Place, Ready: p.Ready}
	w := httptest.NewRecorder()
	body := `{"user_email": "` + email + `",
		"items": [{"sku": "GO-GOPHER", "quantity": 1, "price_cents": 1}]}`
	counter.Handler().ServeHTTP(w, httptest.NewRequestWithContext(context.Background(),
		http.MethodPost, "/orders", strings.NewReader(body)))
	return w.Code, w.Body.String()
}

// Postgres refuses one order of a batch: at its row, or as the transaction commits.
// Only that customer is told no.
func TestOneBadOrderOfABatchIsRefusedAlone(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]string{
		"at its row": `ALTER TABLE orders ADD CONSTRAINT nobody
			CHECK (user_email <> 'nobody@example.com')`,
		"at the commit": `
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN RAISE 'nobody'; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders
				DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
				WHEN (NEW.user_email = 'nobody@example.com') EXECUTE FUNCTION refuse()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			exec(t, pool, refusal)
			p := NewProducer(pool, s)
			var batch []entry
			for i := range 5 {
				email := shop.SampleEmail
				if i == 2 {
					email = "nobody@example.com"
				}
				e, err := newEntry(newOrder(t, email))
				if err != nil {
					t.Fatal(err)
				}
				batch = append(batch, e)
			}
			p.writeBatch(batch)
			for i, e := range batch {
				if err := receive(t, "answer", e.done); (err == nil) != (i != 2) {
					t.Errorf("customer %d was told %v", i, err)
				}
			}
			if status, text := order(p, "nobody@example.com"); status != 422 ||
				!strings.Contains(text, "nobody") {
				t.Errorf("the bad order alone: %d %s", status, text)
			}
			if n := count(t, pool, `SELECT count(*) FROM orders JOIN outbox
				ON order_id = orders.id`); n != 4 {
				t.Errorf("%d orders with a message, want 4", n)
			}
		})
	}
}

// The order is committed and the answer is lost. The customer is not told that it was
// not taken, and not to order again.
func TestAnUnknownOutcomeIsCalledUnknown(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	commit := newTurnstile(t, pool, "orders")
	cut := s
	cut.Timeout = 2 * time.Second
	var silence func()
	cut.URL, silence = servicestest.Silenced(t, s.URL)
	p := NewProducer(newPool(t, cut), cut)
	status := make(chan int, 1)
	go func() {
		code, _ := order(p, shop.SampleEmail)
		status <- code
	}()
	eventually(t, "the commit is under way", func() bool {
		return count(t, pool, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	silence()
	commit.open(t)
	if got := receive(t, "answer", status); got != http.StatusGatewayTimeout {
		t.Errorf("status %d, want 504", got)
	}
}

// A server may answer and yet take no order. Customers are told to come back, and so
// is who asks for the health; and to ask leaves nothing behind.
func TestASickServer(t *testing.T) {
	t.Parallel()
	const full = `CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE 'no space left on device' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER full_up BEFORE INSERT ON outbox EXECUTE FUNCTION full_up()`
	for name, illness := range map[string]string{
		"a full disk": full,
		"a standby": `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I
			SET default_transaction_read_only = on', current_database()); END $$`,
		"a table is locked": "",
		"a table is gone":   `DROP TABLE outbox`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			p := NewProducer(newPool(t, s), s)
			p.settings.Timeout = 2 * time.Second
			if err := p.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.Ready(t.Context()); err != nil {
				t.Fatalf("a well server: %v", err)
			}
			if n := count(t, pool, `SELECT count(*) FROM orders`); n != 0 {
				t.Errorf("to ask for the health has placed %d orders", n)
			}
			if illness != "" {
				exec(t, pool, illness)
				p.pool.Reset() // a standby shows in new sessions
			} else {
				tx, err := pool.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = tx.Rollback(context.Background()) }()
				if _, err := tx.Exec(t.Context(), `LOCK TABLE outbox`); err != nil {
					t.Fatal(err)
				}
			}
			status, text := order(p, shop.SampleEmail)
			want := http.StatusServiceUnavailable
			if illness == "" {
				want = http.StatusGatewayTimeout // it was sent, and may come true yet
			}
			if status != want {
				t.Errorf("an order: %d %s", status, text)
			}
			if err := p.Ready(t.Context()); err == nil {
				t.Error("it calls itself ready")
			}
		})
	}
}

// bells returns a session that hears what is rung.
func bells(t *testing.T, s Settings) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `LISTEN outbox`); err != nil {
		t.Fatal(err)
	}
	return conn
}

func hear(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n.Payload
}

// While the order is being committed the bell is silent: who came now would find
// nothing, and a NOTIFY in that transaction would hold up all others. Then it rings.
func TestTheBellRingsAfterTheCommit(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	commit := newTurnstile(t, pool, "orders")
	p := NewProducer(pool, s)
	rung := make(chan struct{}, 1)
	p.bell.notify = func() error {
		rung <- struct{}{}
		return nil
	}
	ear := bells(t, s)
	placed := make(chan error, 1)
	o := newOrder(t, shop.SampleEmail)
	go func() { placed <- p.Place(context.Background(), o) }()
	eventually(t, "the commit is under way", func() bool {
		return count(t, pool, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	// It was wanted until it was rung.
	if p.bell.wanted.Load() > 0 || len(rung) > 0 {
		t.Error("the bell has rung before the commit")
	}
	commit.open(t)
	if err := receive(t, "answer", placed); err != nil {
		t.Fatal(err)
	}
	if p.bell.wanted.Load() == 0 && len(rung) == 0 {
		t.Fatal("the bell is not rung after the commit")
	}
	receive(t, "ring", rung)
	if err := NewProducer(pool, s).notify(); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `SELECT pg_notify('outbox', 'end')`)
	if first, then := hear(t, ear), hear(t, ear); first != "" || then != "end" {
		t.Errorf("heard %q and %q: the order's own transaction rings, or nobody does", first, then)
	}
}

// A thousand orders that are committed while the bell is being rung are one ring more:
// not none, because that one may have been too early for them, and not a thousand.
func TestTheBellIsNotRungForEachOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rings atomic.Int64
		release := make(chan struct{})
		b := bell{notify: func() error {
			rings.Add(1)
			<-release
			return errors.New("not today")
		}}
		b.ring()
		synctest.Wait()
		for range 1000 {
			b.ring()
		}
		close(release)
		time.Sleep(time.Minute)
		if n := rings.Load(); n != 2 {
			t.Errorf("%d rings, want 2", n)
		}
		b.ring()
		synctest.Wait()
		if rings.Load() != 3 {
			t.Error("after a quiet time it does not ring at once")
		}
		time.Sleep(time.Minute)
	})
}
