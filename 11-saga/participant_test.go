package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
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
	p, err := newParticipant(t.Context(), name, offlineSettings(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	return p
}

// number and execute see the schema that the program sees.
func (p *participant) number(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	err := pgx.BeginTxFunc(t.Context(), p.pool, p.begin, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), query, args...).Scan(&n)
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (p *participant) execute(t *testing.T, query string) {
	t.Helper()
	err := pgx.BeginTxFunc(t.Context(), p.pool, p.begin, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), query)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// take handles messages as one batch, and returns what was refused for good.
func (p *participant) take(t *testing.T, batch ...Message) (refused []int) {
	t.Helper()
	if err := p.attempt(t.Context(), batch, func(i int, _ error) {
		refused = append(refused, i)
	}); err != nil {
		t.Fatal(err)
	}
	return refused
}

func offlineSettings(t *testing.T) Settings {
	t.Helper()
	s := DefaultSettings()
	s.DatabaseURL = servicestest.Postgres(t)
	return s
}

func offlineService(t *testing.T, b Business) *service {
	t.Helper()
	s, err := newService(t.Context(), offlineSettings(t), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	return s
}

func offlineOrchestrator(t *testing.T) *Orchestrator {
	t.Helper()
	o, err := newOrchestrator(t.Context(), offlineSettings(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.pool.Close)
	return o
}

func offlineWebsite(t *testing.T) *Website {
	t.Helper()
	w, err := newWebsite(t.Context(), offlineSettings(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pool.Close)
	return w
}

// The outbox cannot be written: then nothing has changed.
func TestStateAndOutboxCommitTogether(t *testing.T) {
	t.Parallel()
	full := `ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (seq < 0)`
	order := newOrder(t, clients[0])
	placed := Message{ID: "1", Kind: OrderPlaced, Order: order}
	t.Run("orchestrator", func(t *testing.T) {
		t.Parallel()
		o := offlineOrchestrator(t)
		o.execute(t, full)
		if len(o.take(t, placed)) != 1 || o.number(t, `SELECT count(*) FROM sagas`) != 0 {
			t.Error("the saga has moved")
		}
		o.execute(t, `ALTER TABLE outbox DROP CONSTRAINT full_up`)
		for range 2 { // the second time it comes again
			o.take(t, placed)
		}
		if n := o.number(t, `SELECT count(*) FROM outbox`); n != 2 {
			t.Errorf("%d messages are to be sent, want the command and the news", n)
		}
	})
	t.Run("website", func(t *testing.T) {
		t.Parallel()
		w := offlineWebsite(t)
		w.execute(t, full)
		answer := httptest.NewRecorder()
		w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/orders", nil))
		// It is the customer's to change the order: to try again is of no use.
		if answer.Code != http.StatusBadRequest || strings.Contains(answer.Body.String(), "SQLSTATE") {
			t.Errorf("the customer is told %d %s", answer.Code, answer.Body)
		}
		if w.number(t, `SELECT count(*) FROM orders`) != 0 {
			t.Error("an order is in the books of which nobody will hear")
		}
	})
	t.Run("the commit fails", func(t *testing.T) {
		t.Parallel()
		w := offlineWebsite(t)
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
		s.take(t, Message{ID: "2", Kind: ChargePayment, Order: order})
		if s.number(t, `SELECT count(*) FROM journal`) != 0 {
			t.Error("the money was taken, and nobody hears of it")
		}
	})
}

// A command that comes again is answered again and not done again, in another batch
// and in the same one.
func TestCommandThatComesAgain(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	m := Message{ID: "m", Kind: ChargePayment, Order: newOrder(t, clients[0])}
	for i, batch := range [][]Message{{m}, {m}, {m, m}} {
		s.take(t, batch...)
		answers := s.number(t, `SELECT count(*) FROM outbox WHERE message ->> 'kind' = $1`,
			PaymentCharged)
		charged := s.number(t, `SELECT count(*) FROM journal`)
		if want := []int{1, 2, 4}[i]; answers != want || charged != 1 {
			t.Errorf("%d answers and %d charges, want %d and 1", answers, charged, want)
		}
	}
}

// What can never be stored is refused, and only that: the rest of its batch is
// committed one by one.
func TestBatchWithAPoisonedMessage(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	const all, culprit = 10, 4
	batch := make([]Message, all)
	for i := range batch {
		batch[i] = Message{ID: fmt.Sprint(i), Kind: ChargePayment, Order: newOrder(t, clients[0])}
	}
	batch[culprit] = poisoned(t)
	if refused := s.take(t, batch...); len(refused) != 1 || refused[0] != culprit {
		t.Errorf("refused: %v", refused)
	}
	if n := s.number(t, `SELECT count(*) FROM decisions`); n != all-1 {
		t.Errorf("%d are decided on, want %d", n, all-1)
	}
}

func poisoned(t *testing.T) Message {
	t.Helper()
	return Message{ID: "poisoned", Kind: RefundPayment, Order: newOrder(t, clients[0]),
		Reason: "no database keeps this: \x00"}
}

// A forged refund pays back what was taken, and nothing where nothing was.
func TestRefundIsOfWhatWasTaken(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	charged, never := newOrder(t, clients[0]), newOrder(t, clients[0])
	s.take(t, Message{ID: "1", Kind: ChargePayment, Order: charged})
	for _, o := range []*shop.Order{&charged, &never} {
		o.Items = []shop.Item{{SKU: "A", Quantity: 1000, PriceCents: shop.MaxPriceCents}}
	}
	s.take(t, Message{ID: "2", Kind: RefundPayment, Order: charged},
		Message{ID: "3", Kind: RefundPayment, Order: never})
	if n := s.number(t, `SELECT sum(amount)::int FROM journal`); n != 0 {
		t.Errorf("the books are out by %d cents", n)
	}
}

// The last piece is refused to a customer because of a saga that is cancelled later:
// sagas are not isolated. In the end the piece is on the shelf and nobody has it.
func TestLastPieceIsRefusedForASagaThatIsCancelled(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Inventory())
	order := func(email string) shop.Order {
		o := newOrder(t, email)
		o.Items = []shop.Item{{SKU: lastPiece + "MUG", Quantity: 1, PriceCents: 1}}
		return o
	}
	first, second := order(clients[3]), order(clients[0])
	s.take(t, Message{ID: "1", Kind: ReserveStock, Order: first})
	s.take(t, Message{ID: "2", Kind: ReserveStock, Order: second})
	s.take(t, Message{ID: "3", Kind: ReleaseStock, Order: first})
	if n := s.number(t, `SELECT count(*) FROM outbox WHERE message ->> 'kind' = $1
		AND message ->> 'reason' = 'sold out: LAST-MUG'`, StockRefused); n != 1 {
		t.Errorf("%d were told that it is sold out", n)
	}
	if n := s.number(t, `SELECT quantity FROM stock`); n != 1 {
		t.Errorf("%d pieces are left, want the one that nobody was given", n)
	}
}

// Two take the last piece at once, each with what it has read before the other's
// commit: one of them begins again, and finds the shelf empty.
func TestShelfIsNotOverdrawn(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Inventory())
	err := s.transact(t.Context(), func(ctx context.Context, tx pgx.Tx) (changes, error) {
		left, err := stock{}.Look(ctx, tx, []string{lastPiece})
		if err != nil || left[lastPiece] != 1 {
			t.Errorf("%v, %v", left, err)
		}
		other := newOrder(t, clients[0])
		other.Items = []shop.Item{{SKU: lastPiece, Quantity: 1}}
		s.take(t, Message{ID: "1", Kind: ReserveStock, Order: other})
		return changes{}, stock{}.Take(ctx, tx, map[string]int64{lastPiece: 1})
	})
	if !errors.Is(err, errConflict) || s.permanent(err) {
		t.Errorf("the second one got %v", err)
	}
}

// Two commands for one order wait for each other: the second sees what the first
// has decided, not what was there before.
func TestCommandsForOneOrderWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	order := newOrder(t, clients[0])
	s.take(t, Message{ID: "1", Kind: ChargePayment, Order: order})
	// The first: an undo that has looked and not yet written.
	tx, err := s.pool.BeginTx(t.Context(), s.begin)
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
		again := Message{ID: "2", Kind: ChargePayment, Order: order}
		done <- s.commit(context.Background(), []Message{again})
	}()
	eventually(t, "the second command waits", func() bool {
		return s.number(t, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	if _, err := tx.Exec(t.Context(), `UPDATE decisions SET status = 'undone'`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s.number(t, `SELECT count(*) FROM journal`) != 1 ||
		s.number(t, `SELECT count(*) FROM outbox WHERE message ->> 'kind' = $1`, PaymentRefused) != 1 {
		t.Error("the second command did not see what the first had decided")
	}
}

// Two first commands for one order at once: neither finds a decision, and only one
// may write it.
func TestFirstDecisionIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	m := Message{ID: "1", Kind: ChargePayment, Order: newOrder(t, clients[0])}
	err := s.transact(t.Context(), func(ctx context.Context, tx pgx.Tx) (changes, error) {
		b, err := s.open(ctx, tx, []Message{m})
		if err != nil {
			return changes{}, err
		}
		s.take(t, m) // the other one is faster
		s.answer(b, m, false)
		return changes{}, s.close(ctx, tx, b)
	})
	if !errors.Is(err, errConflict) {
		t.Errorf("the slower one got %v, want a conflict", err)
	}
	if n := s.number(t, `SELECT count(*) FROM journal`); n != 1 {
		t.Errorf("%d charges", n)
	}
}

// Of an order that is not there as a whole nothing is taken.
func TestHalfAnOrderIsNotReserved(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Inventory())
	order := newOrder(t, clients[0])
	order.Items = []shop.Item{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: openingStock + 1}}
	s.take(t, Message{ID: "1", Kind: ReserveStock, Order: order})
	if s.number(t, `SELECT count(*) FROM decisions WHERE status = 'refused'`) != 1 ||
		s.number(t, `SELECT count(*) FROM stock WHERE quantity <> opening`) != 0 ||
		s.number(t, `SELECT count(*) FROM journal`) != 0 {
		t.Error("the part that was there is gone")
	}
}

// What the broker has not confirmed stays in the outbox.
func TestUnconfirmedStaysInTheOutbox(t *testing.T) {
	t.Parallel()
	s := offlineService(t, Payment())
	s.take(t, Message{ID: "1", Kind: ChargePayment, Order: newOrder(t, clients[0])})
	batch := s.outbox.gather(nil)
	if err := s.outbox.relay(t.Context(), batch); len(batch) != 1 || !errors.Is(err, errNotConnected) {
		t.Errorf("%d messages without a broker: %v", len(batch), err)
	}
	if err := s.outbox.delete(t.Context()); err != nil {
		t.Error(err)
	}
	if n := s.number(t, `SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("%d messages are in the outbox, want 1", n)
	}
}

// A relay looks by itself, too: another process of its name may have died with
// something unsent, and nobody tells it of that. A message that no queue wants does
// not hold the others up.
func TestRelayFindsWhatTheDeadHaveLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	connected(t, w.site.bus)
	w.site.execute(t, `INSERT INTO outbox (message) VALUES
		('{"id": "1", "kind": "order.lost", "order": {"order_id": "o"}}'),
		('{"id": "2", "kind": "order.placed", "order": {"order_id": "o"}}')`)
	eventually(t, "it is sent", func() bool {
		return w.site.number(t, `SELECT count(*) FROM outbox WHERE message ->> 'id' = '2'`) == 0
	})
	if w.site.number(t, `SELECT count(*) FROM outbox`) != 1 {
		t.Error("what no queue wants counts as sent")
	}
}

// The deadline of a command doubles with each attempt, and what waits for nothing
// has none.
func TestDeadlinesDouble(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.StepTimeout = time.Second
	o := &Orchestrator{participant: &participant{settings: s}}
	for attempts, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second,
	} {
		if d := o.stepTimeout(Saga{State: ReservingStock, Attempts: attempts}); d != want {
			t.Errorf("attempt %d: %v, want %v", attempts, d, want)
		}
	}
	for _, state := range []State{Accepted, Cancelled, Parked} {
		if d := o.stepTimeout(Saga{State: state, Attempts: 1}); d != 0 {
			t.Errorf("%s has a deadline: %v", state, d)
		}
	}
}

// Of all sagas only those are due whose deadline has passed.
func TestDueIsWhatHasWaitedTooLong(t *testing.T) {
	t.Parallel()
	o := offlineOrchestrator(t)
	for range 2 {
		o.take(t, Message{ID: "1", Kind: OrderPlaced, Order: newOrder(t, clients[0])})
	}
	o.execute(t, `UPDATE sagas SET deadline = clock_timestamp() + interval '1 hour'`)
	if due, err := o.due(t.Context()); len(due) != 0 || err != nil {
		t.Errorf("due: %v, %v", due, err)
	}
	o.execute(t, `UPDATE sagas SET deadline = clock_timestamp() - interval '1 second'
		WHERE order_id = (SELECT min(order_id) FROM sagas)`)
	due, err := o.due(t.Context())
	if err != nil || len(due) != 1 || due[0].Kind != Timeout || due[0].Version != 1 {
		t.Fatalf("due: %+v, %v", due, err)
	}
	o.take(t, due...)
	if o.number(t, `SELECT attempts FROM sagas WHERE version = 2`) != 2 {
		t.Error("the command was not sent again")
	}
	if again, err := o.due(t.Context()); len(again) != 0 || err != nil {
		t.Errorf("it is due still: %v, %v", again, err)
	}
}

// Sagas that no deadline moves, because this version does not know their state or
// cannot read their order, wait behind those that it does move.
func TestDeadlinesThatFailStarveNobody(t *testing.T) {
	t.Parallel()
	o := offlineOrchestrator(t)
	o.execute(t, `INSERT INTO sagas (order_id, body, state, version, attempts, deadline)
		SELECT 'gone' || i, '{}'::json, 'WrappingGift', 1, 1, clock_timestamp() - interval '2 seconds'
		FROM generate_series(1, 100) i
		UNION ALL SELECT 'unreadable', '[]'::json, 'ReservingStock', 1, 1,
			clock_timestamp() - interval '2 seconds'`)
	o.take(t, Message{ID: "1", Kind: OrderPlaced, Order: newOrder(t, clients[0])})
	o.execute(t, `UPDATE sagas SET deadline = clock_timestamp() - interval '1 second'
		WHERE state = 'ChargingPayment'`)
	for range 2 { // two looks are enough
		due, err := o.due(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o.take(t, due...)
	}
	if o.number(t, `SELECT version FROM sagas WHERE state = 'ChargingPayment'`) != 2 {
		t.Error("the good saga has not had its turn")
	}
}

// What is old and has ended is deleted, what waits for somebody is not; and what the
// auditor adds up afterwards still balances.
func TestWhatIsOldIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	w.start(everybody...)
	w.place(clients...)
	closed := w.place("e@" + ClosedDomain)[0]
	eventually(t, "all but one have ended", func() bool {
		a := w.audit()
		return a.Open == 0 && a.Parked == 1
	})
	for _, table := range []string{"website.orders", "payment.decisions", "inventory.decisions",
		"shipping.decisions"} {
		w.site.execute(t, `UPDATE `+table+` SET placed_at = placed_at - interval '25 hours'`)
	}
	w.site.execute(t, `UPDATE orchestrator.sagas SET moved_at = moved_at - interval '25 hours'`)
	watching := newAuditor(w.pool, w.Retention)
	if _, err := watching.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	hands := newHands(w)
	for _, p := range append([]*participant{w.site.participant, hands.orchestrator.participant},
		hands.services["payment"].participant, hands.services["inventory"].participant,
		hands.services["shipping"].participant) {
		if more, err := p.deleteOld(t.Context()); more || err != nil {
			t.Errorf("%s: %v, %v", p.name, more, err)
		}
	}
	for table, want := range map[string]int{
		"website.orders": 1, "orchestrator.sagas": 1, "payment.decisions": 0,
		"payment.journal": 0, "inventory.decisions": 0, "inventory.journal": 0,
		"shipping.decisions": 0, "shipping.journal": 0,
	} {
		if n := w.site.number(t, `SELECT count(*) FROM `+table); n != want {
			t.Errorf("%d rows are left in %s, want %d", n, table, want)
		}
	}
	if s, err := w.site.Status(t.Context(), closed); err != nil || s.State != Parked {
		t.Errorf("what waits for a person: %+v, %v", s, err)
	}
	for name, a := range map[string]*auditor{
		"that has watched": watching, "that is new": newAuditor(w.pool, w.Retention),
	} {
		if got, err := a.look(t.Context()); err != nil || got.Violations() != 0 {
			t.Errorf("the auditor %s: %+v, %v", name, got, err)
		}
	}
}

// The auditor counts each kind of wrong, and a good order as none: at its first look,
// and when it has been looking while the books were written.
func TestAuditorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	const id = "o"
	order := newOrder(t, clients[0])
	order.ID = id
	order.Items = []shop.Item{{SKU: "A", Quantity: 1, PriceCents: 5}, {SKU: "B", Quantity: 1}}
	body, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	pay := func(order string, cents int) string {
		return fmt.Sprintf(`INSERT INTO payment.journal (order_id, account, amount)
			VALUES ('%s', 'cents', %d);`, order, cents)
	}
	cancelled := `UPDATE website.orders SET state = 'Cancelled', moved_by = pg_current_xact_id();`
	for name, c := range map[string]struct {
		books string // beside an order o of 5 cents and 2 pieces, in the state Accepted
		want  Account
	}{
		"all is well":   {pay(id, 5), Account{Orders: 1, Accepted: 1, Cents: 5, Owed: 5}},
		"no money":      {``, Account{Orders: 1, Accepted: 1, Incomplete: 1, Owed: 5}},
		"too much":      {pay(id, 6), Account{Orders: 1, Accepted: 1, Incomplete: 1, Cents: 6, Owed: 5}},
		"charged twice": {pay(id, 5) + pay(id, 5), Account{Orders: 1, Accepted: 1, Twice: 1, Cents: 10, Owed: 5}},
		"kept":          {cancelled + pay(id, 5), Account{Orders: 1, Cancelled: 1, Kept: 1, KeptCents: 5, Cents: 5}},
		"nobody's":      {pay(id, 5) + pay("x", 1), Account{Orders: 1, Accepted: 1, Unknown: 1, Cents: 6, Owed: 5}},
		"gone from the shelf": {pay(id, 5) + `UPDATE inventory.stock SET quantity = quantity - 1 WHERE sku = 'A'`,
			Account{Orders: 1, Accepted: 1, Missing: 1, Cents: 5, Owed: 5}},
		"one product for another": {pay(id, 5) + `UPDATE inventory.stock
			SET quantity = quantity + CASE sku WHEN 'A' THEN 1 ELSE -1 END`,
			Account{Orders: 1, Accepted: 1, Missing: 2, Cents: 5, Owed: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := offline(t, "website")
			watching := newAuditor(p.pool, p.settings.Retention)
			for _, books := range []string{
				`INSERT INTO orders (order_id, body, state) VALUES ('o', '` + string(body) + `', 'Accepted');
				INSERT INTO inventory.journal (order_id, account, amount) VALUES ('o', 'A', 1), ('o', 'B', 1);
				INSERT INTO inventory.stock (sku, opening, quantity) VALUES ('A', 10, 9), ('B', 10, 9);
				INSERT INTO shipping.journal (order_id, account, amount) VALUES ('o', 'parcels', 1)`,
				c.books,
			} {
				if _, err := watching.look(t.Context()); err != nil {
					t.Error(err)
				}
				p.execute(t, books)
			}
			for range 2 { // and it counts nothing twice
				if a, err := watching.look(t.Context()); a != c.want || err != nil {
					t.Errorf("having watched: %+v, want %+v, error %v", a, c.want, err)
				}
			}
			a, err := newAuditor(p.pool, p.settings.Retention).look(t.Context())
			if a != c.want || err != nil {
				t.Errorf("%+v, want %+v, error %v", a, c.want, err)
			}
		})
	}
}
