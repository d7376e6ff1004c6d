package eventsourcing

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// placedNow is the event of an order, with the address in the clear.
func placedNow(items []shop.Item) OrderPlaced {
	return OrderPlaced{UserEmail: shop.SampleEmail, Currency: "EUR", Items: items, PlacedAt: time.Now()}
}

var oneMug = []shop.Item{{SKU: "MUG-CHAN", Quantity: 1, PriceCents: 1250}}

func TestEveryReadModelIsAFoldOverTheLog(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	start(t, p.Run)
	project(t, pool, s, everyProjection...)
	ids := place(t, p, 20)
	for i, id := range ids {
		if i%2 == 0 {
			execute(t, p, id, AddItems{oneMug})
		}
		if i%3 == 0 {
			execute(t, p, id, CancelOrder{"no"})
		}
		audited(t, pool) // at any instant
	}
	drained(t, pool)
	if a := audited(t, pool); a.Accepted != 20 || a.Processed != 20 || a.Events != 37 {
		t.Errorf("the audit counts %+v", a)
	}
}

// held appends an order and does not commit it until it is told to.
func held(t *testing.T, pool *pgxpool.Pool) (commit func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	id := uuid.MustParse(newOrder(t, shop.SampleEmail).ID)
	var one rows
	if err := one.add(&entry{stream: id, command: id,
		events: []Event{placedNow(oneMug)}}, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := insert(t.Context(), tx, &one); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// round lets a projector go through what it can read now.
func round(t *testing.T, p *Projector) int {
	t.Helper()
	n, err := p.round(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The point of the step, by construction: an append takes its position, a later one is
// committed before it, a projector looks, and then the first one is committed.
func TestALateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"right": false, "by-position": true} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Variant = variant
			stock := NewProjector(pool, s, "stock", nil)
			commit := held(t, pool)
			place(t, NewProducer(pool, s), 1)
			if n := round(t, stock); (n > 0) != red {
				t.Errorf("%d events were projected past one that is not committed", n)
			}
			commit()
			eventually(t, "the projector has seen all it will ever see", func() bool {
				round(t, stock)
				return red || count(t, pool, waitingSQL+` WHERE projection = 'stock'`) == 0
			})
			missing := 2 - (count(t, pool, `SELECT reserved FROM stock WHERE sku = 'MUG-CHAN'`) - 1)
			if (missing > 0) != red || (audit(t, pool).Differences > 0) != red {
				t.Errorf("%d orders are missing: %+v", missing, audit(t, pool))
			}
		})
	}
}

func TestWhoHoldsTheProjectorsUpIsSaid(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	stock := NewProjector(pool, s, "stock", nil)
	forgotten := s
	forgotten.Name = "forgotten-session"
	commit := held(t, newPool(t, forgotten))
	place(t, NewProducer(pool, s), 1)
	eventually(t, "the holder is named", func() bool {
		holder, err := stock.heldUpBy(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		// Another database of this server may have an older one, for a while.
		return strings.Contains(holder, forgotten.Name)
	})
	commit()
	eventually(t, "nobody is named", func() bool {
		holder, err := stock.heldUpBy(t.Context(), 0)
		return err == nil && !strings.Contains(holder, forgotten.Name)
	})
}

// With appends that stand in line nothing can be committed late, and projectors need not wait
// for transactions that have nothing to do with them.
func TestAppendsInLineAreCommittedInTheOrderOfTheirPositions(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Order, s.Hold, s.Writers = orderLock, 5*time.Millisecond, 4
	p := NewProducer(pool, s)
	project(t, pool, s, everyProjection...)
	done := make(chan struct{})
	go func() { defer close(done); placeAtOnce(t, p, 40) }()
	receive(t, "orders", done)
	drained(t, pool)
	if a := audited(t, pool); a.Processed != 40 {
		t.Errorf("the audit counts %+v", a)
	}
	wrong := count(t, pool, `SELECT count(*) FROM events a JOIN events b
		ON (a.txid, a.position) < (b.txid, b.position) AND a.position > b.position`)
	if wrong > 0 {
		t.Errorf("%d pairs of events are not in the order of their positions", wrong)
	}
}

// An append waits for the one that is at it, before it takes its position.
func TestAnAppendStandsInLine(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Order = orderLock
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, appendKey); err != nil {
		t.Fatal(err)
	}
	placed := make(chan error, 1)
	order := newOrder(t, shop.SampleEmail)
	go func() { placed <- NewProducer(pool, s).Place(context.Background(), order) }()
	eventually(t, "the append waits", func() bool {
		return count(t, pool, `SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
			WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`) == 1
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "answer", placed); err != nil {
		t.Error(err)
	}
}

func placeAtOnce(t testing.TB, p *Producer, n int) {
	errs := make(chan error, n)
	for range n {
		order := newOrder(t, shop.SampleEmail)
		go func() { errs <- p.Place(context.Background(), order) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A projector that works for long must not hold up the others: its transaction has no id
// until it writes.
func TestWorkHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, NewProducer(pool, s), 1)
	inProgress, release := make(chan struct{}), make(chan struct{})
	mail := NewProjector(pool, s, "mail", func(context.Context, shop.Order) error {
		close(inProgress)
		<-release
		return nil
	})
	mailing := start(t, mail.Run)
	receive(t, "letter in progress", inProgress)
	place(t, NewProducer(pool, s), 1)
	if n := count(t, pool, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND backend_xid IS NOT NULL
		AND backend_type = 'client backend'`); n > 0 {
		t.Errorf("%d sessions hold a transaction id while a letter is written", n)
	}
	close(release)
	mailing.end(t)
}

// Two projectors of one model share its parts and never do one twice.
func TestTwoProjectorsOfOneModel(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	start(t, p.Run)
	for range 2 {
		project(t, pool, s, everyProjection...)
	}
	placeAtOnce(t, p, 100)
	drained(t, pool)
	if a := audited(t, pool); a.Processed != 100 {
		t.Errorf("the audit counts %+v", a)
	}
}

// Should the lock be lost, the checkpoint still moves once only.
func TestACheckpointMovesOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, NewProducer(pool, s), 1)
	visible(t, pool)
	stock := NewProjector(pool, s, "stock", nil)
	stale, err := stock.withWork(t.Context())
	if err != nil || len(stale) != 1 {
		t.Fatalf("%v, %v", stale, err)
	}
	if err := stock.moveOn(t.Context(), pool, stale[0], Place{7, 7}); err != nil {
		t.Fatal(err)
	}
	err = stock.moveOn(t.Context(), pool, stale[0], Place{8, 8})
	if err == nil || !strings.Contains(err.Error(), "another projector") {
		t.Errorf("the second time: %v", err)
	}
}

func TestAnOrderThatCannotBeReadIsParkedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"garbage", "unknown-event", "wrong-version"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			p := NewProducer(pool, s)
			place(t, p, 3)
			if err := Inject(t.Context(), pool, kind, 2); err != nil {
				t.Fatal(err)
			}
			place(t, p, 3)
			project(t, pool, s, everyProjection...)
			drained(t, pool)
			a := audited(t, pool)
			if a.Processed != 6 || a.Lost != 0 || a.Parked != 2*len(everyProjection) {
				t.Errorf("the audit counts %+v", a)
			}
		})
	}
}

// What follows an event that cannot be read waits: an order with a hole would be wrong. A new
// version of the program reads both.
func TestAnOldReaderParksWhatANewOneReads(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	id := place(t, p, 1)[0]
	execute(t, p, id, AddItems{oneMug})
	old := s
	old.Reads, old.Writes = 2, 2
	before := project(t, pool, old, everyProjection...)
	drained(t, pool)
	if a := audited(t, pool); a.Parked != 4 || a.Failed != 1 {
		t.Errorf("with old readers the audit counts %+v", a)
	}
	if n := count(t, pool, `SELECT count(*) FROM stock`); n > 0 {
		t.Error("of an order that cannot be read, a part was projected")
	}
	for _, r := range before {
		r.end(t)
	}
	execute(t, p, id, CancelOrder{"no"}) // comes when its stream is parked
	project(t, pool, s, everyProjection...)
	eventually(t, "nothing is parked", func() bool { return audit(t, pool).Parked == 0 })
	drained(t, pool)
	if a := audited(t, pool); a.Processed != 1 || a.Events != 3 {
		t.Errorf("with new readers the audit counts %+v", a)
	}
}

// An old producer does not decide about what it cannot read.
func TestAnOldProducerDoesNotGuess(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	for _, old := range []int{2, 3} {
		writes := s
		writes.Writes = old // what an old program has placed, a new one has cancelled
		for _, id := range []uuid.UUID{
			place(t, NewProducer(pool, s), 1)[0], place(t, NewProducer(pool, writes), 1)[0],
		} {
			execute(t, NewProducer(pool, s), id, CancelOrder{})
			writes.Reads = old
			_, err := NewProducer(pool, writes).Execute(t.Context(), ask(t, id, AddItems{oneMug}))
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("version %d said %v", old, err)
			}
		}
	}
}

// Read models are made again from the log, so they need not wait for the disk. Letters are not.
func TestWhoWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	for name, want := range map[string]string{"stock": "off", "mail": "on"} {
		p := NewProjector(pool, s, name, noWork)
		tx, err := p.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got string
		err = tx.QueryRow(t.Context(), `SELECT current_setting('synchronous_commit')`).Scan(&got)
		p.rollback(t.Context(), tx)
		if err != nil || got != want {
			t.Errorf("%s commits with synchronous_commit %q, want %q: %v", name, got, want, err)
		}
	}
}

// The database refuses one order. The others of its batch are projected.
func TestWhatTheDatabaseRefusesIsParked(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	place(t, p, 3)
	poison := newOrder(t, shop.SampleEmail, shop.Item{SKU: "POISON", Quantity: 1})
	if err := p.Place(t.Context(), poison); err != nil {
		t.Fatal(err)
	}
	place(t, p, 3)
	exec(t, pool, `ALTER TABLE stock ADD CHECK (sku <> 'POISON')`)
	project(t, pool, s, everyProjection...)
	drained(t, pool)
	if a := audited(t, pool); a.Processed != 7 || a.Parked != 1 {
		t.Errorf("the audit counts %+v", a)
	}
	if n := count(t, pool, `SELECT count(*) FROM parked WHERE stream = $1 AND reason LIKE
		'%stock_sku_check%'`, poison.ID); n != 1 {
		t.Error("it is not parked with the reason")
	}
}

func TestALetterThatBouncesIsGivenUpOpenly(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	place(t, p, 1)
	if err := p.Place(t.Context(), newOrder(t, "nobody@"+shop.BounceDomain)); err != nil {
		t.Fatal(err)
	}
	s.Resume = 10 * time.Millisecond
	var panics, bounces atomic.Int64
	mail := NewProjector(pool, s, "mail", func(ctx context.Context, o shop.Order) error {
		if o.UserEmail == shop.SampleEmail {
			panics.Add(1)
			panic("a bug")
		}
		bounces.Add(1)
		return shop.Work(ctx, o, 0)
	})
	start(t, mail.Run)
	project(t, pool, s, "customers", "stock", "sales")
	drained(t, pool)
	if a := audited(t, pool); a.Failed != 2 || a.Lost != 0 {
		t.Errorf("the audit counts %+v", a)
	}
	// A bug may be mended; an address to which nothing can be delivered stays what it is.
	eventually(t, "the other one is tried again", func() bool { return panics.Load() >= 3 })
	if n := bounces.Load(); n != 1 {
		t.Errorf("the letter that bounces was sent %d times", n)
	}
}

func TestRebuildBesideTheOldOneThenSwitch(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	start(t, p.Run)
	project(t, pool, s, everyProjection...)
	project(t, pool, s, "customers", "stock", "sales") // two of each
	ids := place(t, p, 30)
	drained(t, pool)
	before := count(t, pool, `SELECT count(*) FROM letters`)
	done := make(chan struct{})
	go func() { // orders go on
		defer close(done)
		for _, id := range ids {
			if _, err := p.Execute(t.Context(), ask(t, id, AddItems{oneMug})); err != nil {
				t.Error(err)
			}
		}
	}()
	for i, name := range []string{"customers", "stock", "sales", "stock"} {
		generation, err := Rebuild(t.Context(), pool, s, name, 1+i)
		if err != nil {
			t.Fatal(err)
		}
		if live := count(t, pool, `SELECT live FROM projections WHERE name = $1`, name); live != generation {
			t.Errorf("%s: %d is live, want %d", name, live, generation)
		}
		audited(t, pool)
	}
	receive(t, "the orders", done)
	drained(t, pool)
	audited(t, pool)
	if n := count(t, pool, `SELECT count(DISTINCT generation) FROM stock`); n != 1 {
		t.Errorf("%d generations of stock are left", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM letters`); n != before {
		t.Errorf("%d letters became %d", before, n)
	}
	if _, err := Rebuild(t.Context(), pool, s, "mail", 1); err == nil {
		t.Error("the letters were built again")
	}
}

// What was begun is taken back if nobody comes to build it.
func TestARebuildThatIsStopped(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, NewProducer(pool, s), 1)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Rebuild(ctx, pool, s, "stock", 4); err == nil {
		t.Error("it was built by nobody")
	}
	if n := count(t, pool, `SELECT count(*) FROM checkpoints WHERE projection = 'stock'`); n != 1 {
		t.Errorf("%d checkpoints, want 1", n)
	}
}

// Killed with everything written and nothing committed, here by its session's end.
func TestADeathBeforeTheCommitIsNothing(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, NewProducer(pool, s), 5)
	visible(t, pool)
	dying := NewProjector(pool, s, "stock", nil)
	dying.finish = func(ctx context.Context, tx pgx.Tx, c checkpoint, to Place) error {
		if err := dying.moveOn(ctx, tx, c, to); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	}
	if _, err := dying.round(t.Context()); err == nil {
		t.Fatal("it has survived")
	}
	if n := count(t, pool, `SELECT count(*) FROM stock`); n != 0 {
		t.Error("something was counted")
	}
	round(t, NewProjector(pool, s, "stock", nil))
	audited(t, pool)
}

// After an append the bell rings, and who listens looks at once.
func TestTheBellRingsAndIsHeard(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), `LISTEN events`); err != nil {
		t.Fatal(err)
	}
	p := NewProducer(pool, s)
	start(t, p.Run)
	place(t, p, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); err != nil {
		t.Errorf("no bell: %v", err)
	}
	s.Poll = time.Hour
	project(t, pool, s, everyProjection...)
	for range 3 { // what was there as they began they find without a bell
		eventually(t, "all is projected", func() bool {
			exec(t, pool, `SELECT pg_notify('events', '')`)
			return count(t, pool, waitingSQL) == 0
		})
		place(t, p, 1)
	}
}

// A projector that hears no bell finds everything by its poll.
func TestWithoutABell(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	project(t, pool, s, everyProjection...)
	place(t, NewProducer(pool, s), 5) // its Run, which rings, was not started
	drained(t, pool)
	audited(t, pool)
}

// A database that is away is waited for, by producers and projectors.
func TestThroughADeathOfTheDatabase(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	server := servicestest.PrivatePostgres(t)
	s.URL, s.Name, s.Work, s.Timeout = server.URL, "test", 0, time.Second
	pool := newPool(t, s)
	p := NewProducer(pool, s)
	start(t, p.Run)
	project(t, pool, s, everyProjection...)
	eventually(t, "it is ready", func() bool { return p.Ready(t.Context()) == nil })
	place(t, p, 5)
	if err := server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.Reset() // a session of the dead server lives until it notices
	if err := p.Ready(t.Context()); err == nil {
		t.Error("it says that it is ready, and the database is dead")
	}
	if err := p.Place(t.Context(), newOrder(t, shop.SampleEmail)); err == nil {
		t.Error("an order was accepted by a dead database")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		order := newOrder(t, shop.SampleEmail)
		eventually(t, "an order is accepted", func() bool { return p.Place(t.Context(), order) == nil })
	}
	drained(t, pool)
	if a := audited(t, pool); a.Processed != 10 {
		t.Errorf("the audit counts %+v", a)
	}
}
