package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The database is killed with -9 and restarted while orders are placed and
// done, by one, two and four consumers of either kind, all on the one server.
func TestDatabaseKilledInMidStream(t *testing.T) {
	t.Parallel()
	server := servicestest.PrivatePostgres(t)
	var scenes []*midStream
	for _, take := range []string{"skip-locked", "optimistic"} {
		for _, consumers := range []int{1, 2, 4} {
			scenes = append(scenes, newMidStream(t, server, take, consumers))
		}
	}
	flow(t, "orders flow", scenes)
	if err := server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	flow(t, "orders flow after the kill", scenes)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	flow(t, "orders flow after the restart", scenes)
	for _, m := range scenes {
		t.Run(m.name, m.balances)
	}
}

// midStream is a shop of its own on the server that dies.
type midStream struct {
	name      string
	pool      *pgxpool.Pool
	customers *customers
}

func newMidStream(
	t *testing.T, server *services.Server, take string, consumers int,
) *midStream {
	t.Helper()
	s := DefaultSettings()
	env, _, err := server.Isolate(t.Context(), take)
	if err != nil {
		t.Fatal(err)
	}
	s.URL, s.Take, s.Timeout = env["DATABASE_URL"], take, 2*time.Second
	s.Connections = 2 // six shops share a server that takes a hundred connections
	pool := newPool(t, s)
	m := &midStream{fmt.Sprintf("%s/%d", take, consumers), pool, newCustomers(t, s, pool)}
	for i := range consumers {
		s.Name = fmt.Sprint("consumer-", i)
		start(t, NewConsumer(newPool(t, s), s, noWork).Run)
	}
	return m
}

// flow waits until every shop has taken some more orders.
func flow(t *testing.T, what string, scenes []*midStream) {
	t.Helper()
	more := make([]int, len(scenes))
	for i, m := range scenes {
		more[i] = m.customers.count() + 20
	}
	for i, m := range scenes {
		eventually(t, m.name+": "+what, func() bool { return m.customers.count() > more[i] })
	}
}

// balances: what was accepted must be done once; what is in the database besides was
// written by a commit that nobody could answer, and must be done once, too.
func (m *midStream) balances(t *testing.T) {
	accepted := m.customers.leave()
	eventually(t, "nothing open", func() bool {
		var n int
		err := m.pool.QueryRow(t.Context(), countOpen).Scan(&n)
		return err == nil && n == 0
	})
	truth(t, m.pool, count(t, m.pool, `SELECT count(*) FROM orders`))
	lost := len(accepted) - count(t, m.pool,
		`SELECT count(*) FROM inbox WHERE order_id = ANY($1::text[]::uuid[])`, accepted)
	if lost != 0 {
		t.Errorf("%d of %d accepted orders were lost", lost, len(accepted))
	}
}

// Connections are cut at random while orders are done: each is a crash in another
// line of the consumer.
func TestSessionsEndAtRandom(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"row-lock", "skip-locked", "optimistic"} {
		for _, consumers := range []int{1, 2, 4} {
			t.Run(fmt.Sprintf("%s/%d", take, consumers), func(t *testing.T) {
				t.Parallel()
				endSessionsAtRandom(t, take, consumers)
			})
		}
	}
}

func endSessionsAtRandom(t *testing.T, take string, consumers int) {
	t.Helper()
	s, pool := onDatabase(t)
	s.Take, s.Batch = take, 3
	n := 60 * consumers
	place(t, s, pool, n)
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	work := func(ctx context.Context, _ shop.Order) error {
		select {
		case begun <- struct{}{}:
		default: // somebody has said so
		}
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := range consumers {
		s.Name = fmt.Sprint("victim-", i)
		start(t, NewConsumer(newPool(t, s), s, work).Run)
	}
	cut := func(victim string) int {
		return count(t, pool, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE $1`, victim)
	}
	// The first cut is made while an order is in work, however fast the others are done later.
	receive(t, "an order in work", begun)
	if cut("victim-%") == 0 {
		t.Error("no session was ended")
	}
	close(goOn)
	left := n
	eventually(t, "nothing open", func() bool {
		now := count(t, pool, countOpen)
		// The next cut waits until something was done: on a machine so slow that no
		// transaction lives from one cut to the next, nothing ever would be.
		if now > 0 && now < left {
			cut(fmt.Sprint("victim-", rand.IntN(consumers)))
		}
		left = now
		return now == 0
	})
	truth(t, pool, n)
}

// A commit whose answer is lost is in doubt. The worker finds out, and says of
// each order that it is done if it is, and else nothing.
func TestACommitInDoubtIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, happened := range map[string]bool{"it happened": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			ids := place(t, s, pool, 3)
			w := NewConsumer(pool, s, noWork).newWorker(0, nil)
			w.ready = true
			tx, err := w.begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }() // or the pool stays open
			messages, err := w.take(t.Context(), tx, selectOpen+` FOR UPDATE`, 3)
			if err != nil {
				t.Fatal(err)
			}
			w.doubt = w.work(t.Context(), messages)
			if err := w.settle(t.Context(), tx, w.doubt); err != nil {
				t.Fatal(err)
			}
			finding := make(chan error, 1)
			ctx, ear := listening(context.Background())
			go func() { finding <- w.clearUp(ctx) }()
			eventually(t, "it waits for the end of the transaction", func() bool {
				if len(finding) > 0 {
					t.Fatal("it did not wait for the end of the transaction")
				}
				return count(t, pool, `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
			})
			want := 0
			end := tx.Rollback
			if happened {
				want, end = len(ids), tx.Commit
			}
			if err := end(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := receive(t, "end of the doubt", finding); err != nil {
				t.Fatal(err)
			}
			if w.doubt != nil || count(t, pool, countInbox) != want {
				t.Errorf("doubt %v, %d in the inbox, want %d",
					w.doubt, count(t, pool, countInbox), want)
			}
			said, done := ear.lines(), slices.Sorted(slices.Values(
				queryTexts(t, pool, inboxLines)))
			if !slices.Equal(said, done) {
				t.Errorf("said of orders and effects: %q, in the inbox: %q", said, done)
			}
			start(t, NewConsumer(pool, s, noWork).Run)
			drained(t, pool)
			truth(t, pool, len(ids))
		})
	}
}

// A consumer that hangs loses its session after the lease, and with it what it
// held. When it wakes up it cannot commit any more.
func TestALeaseEnds(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Lease, s.Batch, s.Work = 500*time.Millisecond, 5, 0
	place(t, s, pool, 5)
	inProgress, release := make(chan string, 50), make(chan struct{})
	sleeper := start(t, NewConsumer(newPool(t, s), s, func(_ context.Context, o shop.Order) error {
		inProgress <- o.ID
		<-release
		return nil
	}).Run)
	receive(t, "first order", inProgress)
	sleeper.stop()
	s.Name, s.SlowPoll = "consumer-2", s.Poll
	start(t, NewConsumer(newPool(t, s), s, noWork).Run)
	drained(t, pool)
	close(release)
	sleeper.end(t)
	truth(t, pool, 5)
}

// A database that takes connections and says nothing must not hang a customer.
func TestASilentDatabaseIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	s := DefaultSettings()
	s.URL = "postgres://shop:shop@" + listener.Addr().String() + "/shop?sslmode=disable"
	s.Timeout = 200 * time.Millisecond
	p := NewProducer(newPool(t, s), s)
	p.migrated.Store(true) // as if the silence had begun later
	answer := make(chan error, 1)
	asked := time.Now()
	go func() { answer <- p.Place(context.Background(), newOrder(t, shop.SampleEmail)) }()
	if err := receive(t, "answer", answer); err == nil || errors.Is(err, errUnknown) {
		t.Errorf("nothing was sent, and the customer is told %v", err)
	}
	// To connect may take longer by itself: it is the order's time that counts.
	if took := time.Since(asked); took >= connectTimeout {
		t.Errorf("the customer waited for %v", took)
	}
	go func() { answer <- p.Ready(context.Background()) }()
	if err := receive(t, "word of its health", answer); err == nil {
		t.Error("the producer calls itself ready")
	}
}

func TestADeadDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := DefaultSettings()
	s.URL = "postgres://shop:hunter2@" + at + "/shop?sslmode=disable"
	err = NewProducer(newPool(t, s), s).Place(t.Context(), newOrder(t, shop.SampleEmail))
	if err == nil || !strings.Contains(err.Error(), "no PostgreSQL answers at "+at) ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

// customers order one thing after the other, and remember which orders were accepted.
type customers struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu       sync.Mutex
	accepted []string
}

func newCustomers(t *testing.T, s Settings, pool *pgxpool.Pool) *customers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &customers{stop: cancel}
	p := NewProducer(pool, s)
	if err := p.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.leave() })
	for range 2 {
		c.all.Go(func() { c.order(ctx, t, p) })
	}
	return c
}

func (c *customers) order(ctx context.Context, t *testing.T, p *Producer) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			t.Error(err)
			return
		}
		if err := p.Place(context.WithoutCancel(ctx), order); err == nil {
			c.mu.Lock()
			c.accepted = append(c.accepted, order.ID)
			c.mu.Unlock()
		} else if errors.Is(err, context.Canceled) {
			return
		}
	}
}

func (c *customers) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted)
}

// leave ends the orders and returns those that were accepted.
func (c *customers) leave() []string {
	c.stop()
	c.all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

// A consumer that died after its commit reports it in its next life, with the
// same effect, so that the report may come twice.
func TestTheNextLifeReportsWhatTheLastHasDone(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	ids := place(t, s, pool, 3)
	c := start(t, NewConsumer(pool, s, noWork).Run)
	drained(t, pool)
	c.end(t)
	last := queryTexts(t, pool, inboxLines+` WHERE effect = (
		SELECT effect FROM inbox WHERE order_id = $1) ORDER BY 1`, ids[len(ids)-1])
	ctx, ear := listening(t.Context())
	w := NewConsumer(pool, s, noWork).newWorker(0, nil)
	if n, err := w.once(ctx); n != 0 || err != nil {
		t.Errorf("the next life took %d messages, error %v", n, err)
	}
	if said := ear.lines(); len(last) == 0 || !slices.Equal(said, last) {
		t.Errorf("the next life says %q, the last transaction did %q", said, last)
	}
	truth(t, pool, 3)
}

// What was given up a moment ago is said again by whoever begins: the one that gave
// it up may have died before it could.
func TestTheNextLifeRepeatsWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Attempts = 1
	id := place(t, s, pool, 1)[0]
	fails := func(context.Context, shop.Order) error { return errors.New("never") }
	for range 2 { // this life and the next
		ctx, ear := listening(t.Context())
		if _, err := NewConsumer(pool, s, fails).newWorker(0, nil).once(ctx); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ear.failed, []string{id}) {
			t.Errorf("said to have failed: %q, want %q", ear.failed, id)
		}
	}
}
