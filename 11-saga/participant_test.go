package saga

import (
	"context"
	"errors"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// offline returns a program's part with a database of its own and no broker: nothing
// that it writes into its outbox leaves it.
func offline(t *testing.T, name string) *participant {
	t.Helper()
	s := DefaultSettings()
	s.DatabaseURL = servicestest.Postgres(t)
	p, err := newParticipant(t.Context(), name, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	return p
}

func (p *participant) number(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := p.pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (p *participant) execute(t *testing.T, query string) {
	t.Helper()
	if _, err := p.pool.Exec(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func offlineService(t *testing.T, b Business) *service {
	t.Helper()
	return &service{offline(t, b.Name), b, commands(variant{}, b)}
}

// The outbox cannot be written: then nothing has changed, and the message that was
// to change it has not been handled.
func TestStateInboxAndOutboxCommitTogether(t *testing.T) {
	t.Parallel()
	full := `ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (seq < 0)`
	order := newOrder(t, clients[0])
	placed := Message{ID: "1", Kind: OrderPlaced, Order: order}
	t.Run("orchestrator", func(t *testing.T) {
		t.Parallel()
		p := offline(t, "orchestrator")
		o := &Orchestrator{&tables{p}, p.settings.rules()}
		p.execute(t, full)
		if err := o.Handle(t.Context(), placed); err == nil {
			t.Error("no error")
		}
		if p.number(t, `SELECT count(*) FROM sagas`) != 0 ||
			p.number(t, `SELECT count(*) FROM inbox`) != 0 {
			t.Error("the saga has moved, or its message counts as handled")
		}
		p.execute(t, `ALTER TABLE outbox DROP CONSTRAINT full_up`)
		for range 2 { // the second time it comes again
			if err := o.Handle(t.Context(), placed); err != nil {
				t.Error(err)
			}
		}
		if n := p.number(t, `SELECT count(*) FROM outbox`); n != 2 {
			t.Errorf("%d messages are to be sent, want the command and the news", n)
		}
	})
	t.Run("website", func(t *testing.T) {
		t.Parallel()
		w := &Website{offline(t, "website")}
		w.execute(t, full)
		if err := w.Place(t.Context(), order); err == nil {
			t.Error("the order was accepted")
		}
		if w.number(t, `SELECT count(*) FROM orders`) != 0 {
			t.Error("an order is in the books of which nobody will hear")
		}
	})
	t.Run("the commit fails", func(t *testing.T) {
		t.Parallel()
		w := &Website{offline(t, "website")}
		w.execute(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN RAISE 'the commit fails'; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
		if err := w.Place(t.Context(), order); err == nil {
			t.Error("the order was accepted")
		}
		if w.number(t, `SELECT count(*) FROM outbox`) != 0 {
			t.Error("all will hear of an order that is not in the books")
		}
	})
	t.Run("payment", func(t *testing.T) {
		t.Parallel()
		s := offlineService(t, Payment())
		s.execute(t, full)
		m := Message{ID: "2", Kind: ChargePayment, Order: order}
		if err := s.handle(t.Context(), m); err == nil {
			t.Error("no error")
		}
		if s.number(t, `SELECT count(*) FROM journal`) != 0 ||
			s.number(t, `SELECT count(*) FROM inbox`) != 0 {
			t.Error("the money was taken, or the command counts as handled")
		}
	})
}

// A command that comes again is not answered again, and one that says the same in
// other words is answered and not done again.
func TestCommandThatComesAgain(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	m := Message{ID: "first", Kind: ChargePayment, Order: newOrder(t, clients[0])}
	for _, want := range []struct {
		id      string
		answers int
	}{{"first", 1}, {"first", 1}, {"second", 2}} {
		m.ID = want.id
		if err := s.handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		answers := s.number(t, `SELECT count(*) FROM outbox`)
		charged := s.number(t, `SELECT count(*) FROM journal`)
		if answers != want.answers || charged != 1 {
			t.Errorf("%s: %d answers and %d charges, want %d and 1",
				want.id, answers, charged, want.answers)
		}
	}
}

// Two commands for one order wait for each other: the second sees what the first
// has decided, not what was there before.
func TestCommandsForOneOrderWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	order := newOrder(t, clients[0])
	if err := s.handle(t.Context(), Message{ID: "1", Kind: ChargePayment, Order: order}); err != nil {
		t.Fatal(err)
	}
	// The first: an undo that has looked and not yet written.
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // or the pool stays open
	if _, err := tx.Exec(t.Context(), `SELECT FROM decisions WHERE order_id = $1 FOR UPDATE`,
		order.ID); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- s.handle(context.Background(), Message{ID: "2", Kind: ChargePayment, Order: order})
	}()
	eventually(t, "the second command waits", func() bool {
		return s.number(t, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	if err := s.record(t.Context(), tx, order, Undone, "", -1); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s.number(t, `SELECT count(*) FROM decisions WHERE status = 'undone'`) != 1 ||
		s.number(t, `SELECT sum(amount)::int FROM journal`) != 0 ||
		s.number(t, `SELECT count(*) FROM outbox WHERE message ->> 'kind' = $1`, PaymentRefused) != 1 {
		t.Error("the second command did not see what the first had decided")
	}
}

// Of an order that is not there as a whole nothing is taken.
func TestHalfAnOrderIsNotReserved(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Inventory())
	order := newOrder(t, clients[0])
	order.Items = []shop.Item{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: openingStock + 1}}
	if err := s.handle(t.Context(), Message{ID: "1", Kind: ReserveStock, Order: order}); err != nil {
		t.Fatal(err)
	}
	if s.number(t, `SELECT count(*) FROM decisions WHERE status = 'refused'`) != 1 ||
		s.number(t, `SELECT count(*) FROM stock WHERE quantity <> $1`, openingStock) != 0 ||
		s.number(t, `SELECT count(*) FROM journal`) != 0 {
		t.Error("the part that was there is gone")
	}
}

// What the broker has not confirmed stays in the outbox.
func TestUnconfirmedStaysInTheOutbox(t *testing.T) {
	t.Parallel()
	p := offline(t, "payment")
	m := Message{ID: "1", Kind: PaymentCharged, Order: newOrder(t, clients[0])}
	nowhere := func() string { return "" }
	if err := p.transact(t.Context(), nowhere, func(pgx.Tx) ([]Message, error) {
		return []Message{m}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.relayBatch(t.Context()); !errors.Is(err, errNotConnected) {
		t.Errorf("without a broker: %v", err)
	}
	if n := p.number(t, `SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("%d messages are in the outbox, want 1", n)
	}
}

// A relay looks by itself, too: another process of its name may have died with
// something unsent, and nobody rings for that.
func TestRelayFindsWhatTheDeadHaveLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	eventually(t, "connected", func() bool { return w.site.bus.publish(t.Context(), nil) == nil })
	w.site.execute(t, `INSERT INTO outbox (message) VALUES ('{"id": "left", "kind": "order.placed",
		"order": {"order_id": "o"}}')`)
	eventually(t, "it is sent", func() bool {
		return w.site.number(t, `SELECT count(*) FROM outbox`) == 0
	})
}

// The deadline of a command doubles with each attempt, and what waits for nothing
// has none.
func TestDeadlinesDouble(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.StepTimeout = time.Second
	store := &tables{&participant{settings: s}}
	for attempts, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second,
	} {
		d := store.deadline(&Saga{State: ReservingStock, Attempts: attempts})
		if d == nil || *d != want {
			t.Errorf("attempt %d: %v, want %v", attempts, d, want)
		}
	}
	for _, state := range []State{Accepted, Cancelled, Parked} {
		if d := store.deadline(&Saga{State: state, Attempts: 1}); d != nil {
			t.Errorf("%s has a deadline: %v", state, *d)
		}
	}
}

// Of all sagas only those are due whose deadline has passed.
func TestDueIsWhatHasWaitedTooLong(t *testing.T) {
	t.Parallel()
	p := offline(t, "orchestrator")
	o := &Orchestrator{&tables{p}, p.settings.rules()}
	for _, id := range []string{"1", "2"} {
		m := Message{ID: id, Kind: OrderPlaced, Order: newOrder(t, clients[0])}
		if err := o.Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	p.execute(t, `UPDATE sagas SET deadline = clock_timestamp() + interval '1 hour'`)
	if due, err := o.store.Due(t.Context()); len(due) != 0 || err != nil {
		t.Errorf("due: %v, %v", due, err)
	}
	p.execute(t, `UPDATE sagas SET deadline = clock_timestamp() - interval '1 second'
		WHERE order_id = (SELECT min(order_id) FROM sagas)`)
	due, err := o.store.Due(t.Context())
	if err != nil || len(due) != 1 || due[0].Kind != Timeout || due[0].Version != 1 {
		t.Fatalf("due: %+v, %v", due, err)
	}
	if err := o.Handle(t.Context(), due[0]); err != nil {
		t.Fatal(err)
	}
	if p.number(t, `SELECT attempts FROM sagas WHERE version = 2`) != 2 {
		t.Error("the command was not sent again")
	}
	if again, err := o.store.Due(t.Context()); len(again) != 0 || err != nil {
		t.Errorf("it is due still: %v, %v", again, err)
	}
}

// The auditor counts each kind of wrong, and a good order as none.
func TestAuditorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		books string // beside an order o of 5 cents and 2 pieces, in the state Accepted
		want  Account
	}{
		"all is well": {`INSERT INTO payment.journal (order_id, amount) VALUES ('o', 5)`,
			Account{Orders: 1, Accepted: 1}},
		"no money": {``, Account{Orders: 1, Accepted: 1, Incomplete: 1}},
		"charged twice": {`INSERT INTO payment.journal (order_id, amount) VALUES ('o', 5), ('o', 5)`,
			Account{Orders: 1, Accepted: 1, Twice: 1}},
		"kept": {`UPDATE website.orders SET state = 'Cancelled';
			INSERT INTO payment.journal (order_id, amount) VALUES ('o', 5)`,
			Account{Orders: 1, Cancelled: 1, Kept: 1, KeptCents: 5}},
		"nobody's": {`INSERT INTO payment.journal (order_id, amount) VALUES ('o', 5), ('x', 1)`,
			Account{Orders: 1, Accepted: 1, Unknown: 1}},
		"gone from the shelf": {`INSERT INTO payment.journal (order_id, amount) VALUES ('o', 5);
			UPDATE inventory.stock SET quantity = quantity - 1`,
			Account{Orders: 1, Accepted: 1, Missing: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := offline(t, "website")
			p.execute(t, `INSERT INTO orders (order_id, body, cents, pieces, state)
					VALUES ('o', '{}', 5, 2, 'Accepted');
				INSERT INTO inventory.journal (order_id, amount) VALUES ('o', 2);
				INSERT INTO inventory.stock (sku, quantity) VALUES ('A', 999998);
				INSERT INTO shipping.journal (order_id, amount) VALUES ('o', 1)`)
			p.execute(t, c.books)
			if a, err := audit(t.Context(), p.pool); a != c.want || err != nil {
				t.Errorf("%+v, want %+v, error %v", a, c.want, err)
			}
		})
	}
}
