package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

// Producer and consumers start in the same instant, on a database without tables.
func TestMigrateIsSafeWhenAllStartTogether(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	exec(t, pool, dropAll)
	var group errgroup.Group
	for range 8 {
		mine := newPool(t, s)
		group.Go(func() error { return Migrate(context.Background(), mine) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, `SELECT count(*) FROM goose_db_version WHERE version_id = 1`); n != 1 {
		t.Errorf("the first migration was run %d times", n)
	}
}

func TestOrderAndMessageAreWrittenTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, s, pool, 1)
	// The second write fails. What the first has written must go with it.
	exec(t, pool, `ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (id < 2)`)
	err := NewProducer(pool, s).Place(t.Context(), newOrder(t, shop.SampleEmail))
	if err == nil {
		t.Fatal("an order without a message was accepted")
	}
	orders := count(t, pool, `SELECT count(*) FROM orders`)
	messages := count(t, pool, `SELECT count(*) FROM outbox`)
	if orders != 1 || messages != 1 {
		t.Errorf("there are %d orders and %d messages, want 1 and 1", orders, messages)
	}
}

// Every right way, alone and in company: all effects, each once.
func TestEveryOrderIsDoneOnce(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"row-lock", "skip-locked", "optimistic"} {
		for _, consumers := range []int{1, 2, 4} {
			for _, perCustomer := range []bool{false, true} {
				if perCustomer && consumers == 2 {
					continue // alone, and in a crowd
				}
				name := fmt.Sprintf("%s/%d/per-customer=%v", take, consumers, perCustomer)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s, pool := onDatabase(t)
					s.Take, s.PerCustomer = take, perCustomer
					const n = 100
					place(t, s, pool, n)
					var running []*background
					for i := range consumers {
						s.Name = fmt.Sprint("consumer-", i)
						running = append(running, start(t, NewConsumer(pool, s, noWork).Run))
					}
					drained(t, pool)
					for _, b := range running {
						b.end(t)
					}
					truth(t, pool, n)
				})
			}
		}
	}
}

// skip-locked: what one consumer has in progress, another passes over. row-lock: it
// waits.
func TestWhoWaitsForWhom(t *testing.T) {
	t.Parallel()
	for take, waits := range map[string]bool{"row-lock": true, "skip-locked": false} {
		t.Run(take, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Take, s.Batch = take, 1
			s.Lease = time.Minute // however slow the machine is, what is held stays held
			ids := place(t, s, pool, 2)
			inProgress, release := make(chan string, 2), make(chan struct{})
			first := start(t, NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
				inProgress <- o.ID
				<-release
				return nil
			}).Run)
			if got := receive(t, "first order", inProgress); got != ids[0] {
				t.Errorf("took %s, want the oldest", got)
			}
			first.stop()

			done := make(chan string, 2)
			second := start(t, NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
				done <- o.ID
				return nil
			}).Run)
			waiting := false
			eventually(t, "the second consumer has an order, or waits for one", func() bool {
				waiting = count(t, pool, `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
				return waiting || len(done) > 0
			})
			if waiting != waits {
				t.Errorf("the second consumer waits: %t", waiting)
			}
			if waits {
				close(release)
			}
			if got := receive(t, "second order", done); got != ids[1] {
				t.Errorf("took %s, want the second", got)
			}
			if !waits {
				close(release)
			}
			first.end(t)
			second.end(t)
			truth(t, pool, 2)
		})
	}
}

// Who is asked to stop finishes what he has in progress, and takes nothing more.
func TestAStoppedConsumerFinishesItsBatch(t *testing.T) {
	t.Parallel()
	for take, batch := range map[string]int{
		"naive": 1, "row-lock": 3, "skip-locked": 3, "optimistic": 1,
	} {
		t.Run(take, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Take, s.Batch, s.Lease = take, 3, time.Minute
			place(t, s, pool, 6)
			inProgress, release := make(chan string, 6), make(chan struct{})
			c := start(t, NewConsumer(pool, s, func(ctx context.Context, o shop.Order) error {
				inProgress <- o.ID
				<-release
				return ctx.Err() // to stop is not to drop what is in progress
			}).Run)
			receive(t, "first order", inProgress)
			c.stop()
			close(release)
			c.end(t)
			done, open := count(t, pool, countEffects), count(t, pool, countOpen)
			if done != batch || open != 6-batch {
				t.Errorf("%d done and %d open, want %d and %d", done, open, batch, 6-batch)
			}
		})
	}
}

// Two optimists read the same version. The one that comes second throws its work
// away, and the retry is counted.
func TestOptimisticCountsRetries(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Take, s.Window = "optimistic", 1
	place(t, s, pool, 1)
	var meeting sync.WaitGroup
	meeting.Add(2)
	var once [2]sync.Once
	var both [2]*Consumer
	for i := range both {
		s.Name = fmt.Sprint("consumer-", i)
		both[i] = NewConsumer(pool, s, func(context.Context, shop.Order) error {
			once[i].Do(func() { meeting.Done(); meeting.Wait() })
			return nil
		})
	}
	a, b := start(t, both[0].Run), start(t, both[1].Run)
	drained(t, pool)
	a.end(t)
	b.end(t)
	if n := both[0].Conflicts() + both[1].Conflicts(); n != 1 {
		t.Errorf("%d conflicts, want 1", n)
	}
	truth(t, pool, 1)
}

func TestFailuresAreCountedAndParkedWithTheirError(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"row-lock", "skip-locked", "optimistic"} {
		t.Run(take, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Take, s.Attempts, s.SlowPoll = take, 3, s.Poll
			p := NewProducer(pool, s)
			bad := newOrder(t, "nobody@"+shop.BounceDomain)
			if err := p.Place(t.Context(), bad); err != nil {
				t.Fatal(err)
			}
			good := place(t, s, pool, 5)
			var tries atomic.Int64
			c := start(t, NewConsumer(pool, s, func(ctx context.Context, o shop.Order) error {
				if o.ID == bad.ID {
					if tries.Add(1) == 2 {
						panic("and once it panics")
					}
				}
				return shop.Work(ctx, o, 0)
			}).Run)
			drained(t, pool)
			c.end(t)
			if n := count(t, pool, `SELECT count(*) FROM outbox WHERE order_id = $1
				AND dead_at IS NOT NULL AND attempts = 3
				AND error LIKE '%bounced%'`, bad.ID); n != 1 {
				t.Error("the bad order is not parked with its error and its attempts")
			}
			if tries.Load() != 3 {
				t.Errorf("tried %d times, want 3", tries.Load())
			}
			if n := count(t, pool, countEffects); n != len(good) {
				t.Errorf("%d effects, want %d", n, len(good))
			}
		})
	}
}

func TestPausesDouble(t *testing.T) {
	t.Parallel()
	var got []string
	for n := 1; n < 14; n += 3 {
		got = append(got, pauseAfter(n).String())
	}
	if want := "100ms 800ms 6.4s 51.2s 1m0s"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestWhatNobodyCanReadIsParkedAtOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	for _, kind := range []string{"garbage", "unknown-event", "wrong-version"} {
		if err := Inject(t.Context(), pool, kind, 2); err != nil {
			t.Fatal(err)
		}
	}
	ids := place(t, s, pool, 3)
	c := start(t, NewConsumer(pool, s, noWork).Run)
	drained(t, pool)
	c.end(t)
	errs := strings.Join(queryTexts(t, pool,
		`SELECT DISTINCT error FROM outbox WHERE dead_at IS NOT NULL`), "\n")
	for _, says := range []string{
		`event "order.danced" version 1 is unknown: this consumer reads order.placed v1`,
		`event "order.placed" version 9 is unknown`,
		`order.placed v1: body is not an order`,
	} {
		if !strings.Contains(errs, says) {
			t.Errorf("no dead message says %q:\n%s", says, errs)
		}
	}
	if dead := count(t, pool, countDead+` AND attempts = 1`); dead != 6 {
		t.Errorf("%d messages were parked at once, want 6", dead)
	}
	if n := count(t, pool, countEffects); n != len(ids) {
		t.Errorf("%d effects, want %d", n, len(ids))
	}
	usage := new(shop.UsageError)
	if err := Inject(t.Context(), pool, "sugar", 1); !errors.As(err, &usage) {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestAMessageThatComesTwiceIsDoneOnce(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 10} { // in two batches, and in the same
		t.Run(fmt.Sprint("batch=", batch), func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Batch = batch
			if err := Inject(t.Context(), pool, "duplicate", 3); err != nil {
				t.Fatal(err)
			}
			w := NewConsumer(pool, s, noWork).newWorker(0, nil)
			ctx, ear := listening(t.Context())
			for range 6 {
				if _, err := w.once(ctx); err != nil {
					t.Fatal(err)
				}
			}
			truth(t, pool, 3)
			done := slices.Sorted(slices.Values(queryTexts(t, pool, inboxLines)))
			if said := ear.lines(); !slices.Equal(said, done) {
				t.Errorf("said %q, in the inbox is %q", said, done)
			}
		})
	}
}

// One customer's orders come one after the other, however many consumers there
// are and whatever fails.
func TestPerCustomerKeepsTheOrder(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.PerCustomer, s.Batch, s.SlowPoll = true, 4, s.Poll
	p := NewProducer(pool, s)
	customers := []string{"ada@example.com", "grace@example.com", "linus@example.com"}
	want := map[string][]string{}
	for range 12 {
		for _, customer := range customers {
			o := newOrder(t, customer)
			if err := p.Place(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			want[customer] = append(want[customer], o.ID)
		}
	}
	var mu sync.Mutex
	got := map[string][]string{}
	var calls atomic.Int64
	handle := func(_ context.Context, o shop.Order) error {
		if calls.Add(1)%7 == 0 {
			return errors.New("not today")
		}
		mu.Lock()
		defer mu.Unlock()
		got[o.UserEmail] = append(got[o.UserEmail], o.ID)
		return nil
	}
	for i := range 3 {
		s.Name = fmt.Sprint("consumer-", i)
		start(t, NewConsumer(pool, s, handle).Run)
	}
	drained(t, pool)
	mu.Lock()
	defer mu.Unlock()
	for _, customer := range customers {
		if !slices.Equal(got[customer], want[customer]) {
			t.Errorf("%s: done in the order %v, placed in %v",
				customer, got[customer], want[customer])
		}
	}
}

// The first of two orders of a customer fails for a while. With the setting the
// second waits for it, without the setting it overtakes.
func TestOnlyPerCustomerHoldsTheNextOneBack(t *testing.T) {
	t.Parallel()
	for perCustomer, want := range map[bool][]int{true: {0, 1}, false: {1, 0}} {
		t.Run(fmt.Sprint(perCustomer), func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.PerCustomer, s.Batch, s.Attempts, s.SlowPoll = perCustomer, 1, 100, s.Poll
			ids := place(t, s, pool, 2)
			var mu sync.Mutex
			var done []int
			failed := 0
			c := start(t, NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
				mu.Lock()
				defer mu.Unlock()
				which := slices.Index(ids, o.ID)
				// Three times, or else until the second is done: it has all the time it wants.
				if which == 0 && len(done) == 0 && (failed < 3 || !perCustomer) {
					failed++
					return errors.New("not yet")
				}
				done = append(done, which)
				return nil
			}).Run)
			drained(t, pool)
			c.end(t)
			if !slices.Equal(done, want) {
				t.Errorf("done in the order %v, want %v", done, want)
			}
		})
	}
}

// With the slow poll an hour away, only a bell can wake a consumer in time.
func TestNotifyWakesAConsumer(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.SlowPoll = s.Keep
	done := make(chan string, 10)
	c := start(t, NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
		done <- o.ID
		return nil
	}).Run)
	listening := func() bool {
		return count(t, pool, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query = 'LISTEN outbox'`) == 1
	}
	eventually(t, "a connection that listens", listening)
	for range 3 {
		id := place(t, s, pool, 1)[0]
		if got := receive(t, "order", done); got != id {
			t.Errorf("got %s, want %s", got, id)
		}
	}
	// The one that listens is cut off. It comes back and asks what it has missed.
	exec(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query = 'LISTEN outbox'`)
	place(t, s, pool, 1)
	receive(t, "order after the cut", done)
	c.end(t)
}

func TestOldRowsAreRemovedAndOthersStay(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, s, pool, 20)
	consumer := NewConsumer(pool, s, noWork)
	c := start(t, consumer.Run)
	drained(t, pool)
	c.end(t)
	if n, err := consumer.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("removed %d fresh rows, error %v", n, err)
	}
	exec(t, pool, `UPDATE inbox SET processed_at = now() - interval '2 hours'
		WHERE order_id IN (SELECT order_id FROM inbox ORDER BY order_id LIMIT 15)`)
	// What is parked stays, however old it is.
	exec(t, pool, `INSERT INTO outbox (event, version, body, dead_at)
		VALUES ('order.placed', 9, '{}', now() - interval '2 hours')`)
	if n, err := consumer.Sweep(t.Context()); n != 15 || err != nil {
		t.Errorf("removed %d old rows, want 15; error %v", n, err)
	}
	inbox, dead := count(t, pool, countInbox), count(t, pool, countDead)
	if inbox != 5 || dead != 1 {
		t.Errorf("%d inbox rows and %d dead are left, want 5 and 1", inbox, dead)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	s, pool := onDatabase(t)
	// The pool and the server keep goroutines of their own.
	running := goleak.IgnoreCurrent()
	s.Workers = 3
	place(t, s, pool, 10)
	own := newPool(t, s)
	c := start(t, NewConsumer(own, s, noWork).Run)
	drained(t, pool)
	c.end(t)
	own.Close()
	goleak.VerifyNone(t, running)
}

// Two batches that lock the same rows in two orders would wait for each other. Each
// locks them in the order of their names, whatever the order of its messages.
func TestABatchLocksInOrder(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Work = 0 // all of them in one batch
	const n = 40
	for i := range n { // later orders have earlier names
		message(t, pool, fmt.Sprintf("0198c0de-aaaa-7bbb-8ccc-%012d", n-i),
			fmt.Sprintf("SKU-%02d", n-i))
	}
	once(t, NewConsumer(pool, s, noWork).newWorker(0, nil), n)
	for _, query := range []string{
		`SELECT sku FROM stock ORDER BY ctid`, `SELECT order_id::text FROM inbox ORDER BY ctid`,
	} {
		if written := queryTexts(t, pool, query); !slices.IsSorted(written) || len(written) != n {
			t.Errorf("%s: %q", query, written)
		}
	}
}

// A round that has found less than it could take has found all there is: it waits for
// the bell. Where a round takes one of many, only an empty one says so.
func TestWhenARoundHasEmptiedTheTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		take        string
		perCustomer bool
		again       []int // who took so many looks again at once
	}{
		"skip-locked":  {"skip-locked", false, []int{100}},
		"row-lock":     {"row-lock", false, []int{100}},
		"per customer": {"skip-locked", true, []int{1, 2, 100}},
		"optimistic":   {"optimistic", false, []int{1, 2, 100}},
		"naive":        {"naive", false, nil},
	} {
		s := DefaultSettings()
		s.Take, s.PerCustomer, s.Work = c.take, c.perCustomer, 0
		w := NewConsumer(nil, s, noWork).newWorker(0, nil)
		for _, n := range []int{0, 1, 2, 100} {
			if got := w.emptied(n); got == slices.Contains(c.again, n) {
				t.Errorf("%s took %d: that was all: %t", name, n, got)
			}
		}
	}
}

// A batch is of many messages that are quickly done, and of one that takes long.
func TestABatchFitsIntoItsTime(t *testing.T) {
	t.Parallel()
	for work, want := range map[time.Duration]int{
		0: 100, time.Millisecond: 100, 10 * time.Millisecond: 20, 200 * time.Millisecond: 1,
		time.Minute: 1,
	} {
		s := DefaultSettings()
		s.Work = work
		if got := s.batchSize(); got != want {
			t.Errorf("%s of work: a batch of %d, want %d", work, got, want)
		}
	}
	s := DefaultSettings()
	s.Lease, s.Work = 100*time.Millisecond, 10*time.Millisecond
	if got := s.batchSize(); got != 5 {
		t.Errorf("under a short lease a batch of %d, want 5", got)
	}
}

// A bell ends the wait at once, and without one there is the poll: a slow one behind
// NOTIFY, the only one else.
func TestWaitEndsWithTheBellOrThePoll(t *testing.T) {
	t.Parallel()
	for wait, pause := range map[string]time.Duration{
		waitNotify: time.Second, waitPoll: 100 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := DefaultSettings()
			s.Wait = wait
			bell := make(chan struct{}, 1)
			w := NewConsumer(nil, s, noWork).newWorker(0, bell)
			waited := func(ctx context.Context) time.Duration {
				begun := time.Now()
				w.wait(ctx)
				return time.Since(begun)
			}
			if d := waited(t.Context()); d != pause {
				t.Errorf("%s: without a bell it waits %v, want %v", wait, d, pause)
			}
			for range 2 { // a bell that rings need not ring twice, and nobody waits for it
				ring([]chan struct{}{bell})
			}
			if d := waited(t.Context()); d != 0 {
				t.Errorf("%s: with the bell it waits %v", wait, d)
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if d := waited(ended); d != 0 {
				t.Errorf("%s: asked to end it waits %v", wait, d)
			}
		})
	}
}

// A connection that listens and is cut would be silent forever: it is asked.
func TestAListenerThatIsCutIsFoundOut(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Timeout = time.Second
	cut := s
	var silence func()
	cut.URL, silence = servicestest.Silenced(t, s.URL)
	c := NewConsumer(newPool(t, cut), s, noWork)
	bell := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- c.receive(context.Background(), []chan struct{}{bell}) }()
	receive(t, "first bell, for what was written before", bell)
	place(t, s, pool, 1)
	receive(t, "second bell", bell)
	silence()
	if err := receive(t, "end of listening", ended); err == nil {
		t.Error("a dead connection is no error")
	}
}

// What the server is to do with a consumer that hangs, it is told with every
// transaction that holds messages, and not as the session begins: a pooler would refuse
// that.
func TestWhatIsHeldHasALease(t *testing.T) {
	t.Parallel()
	s, _ := onDatabase(t)
	s.Lease, s.Name = 1234*time.Millisecond, "who"
	const settings = `SELECT current_setting('idle_in_transaction_session_timeout') ||
		' ' || current_setting('application_name')`
	pool := newPool(t, s)
	w := NewConsumer(pool, s, noWork).newWorker(0, nil)
	tx, err := w.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.rollback(t.Context(), tx)
	var got string
	if err := tx.QueryRow(t.Context(), settings).Scan(&got); err != nil || got != "1234ms who" {
		t.Errorf("the transaction has %q, error %v", got, err)
	}
	if got := queryTexts(t, pool, settings); len(got) != 1 || got[0] != "0 who" {
		t.Errorf("the session has %q", got)
	}
}
