package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// world is a log and a database of a test's own, and consumers that are not started.
type world struct {
	t        *testing.T
	settings Settings
	log      Log
	pool     *pgxpool.Pool
	work     Handler
}

func newWorld(t *testing.T, change ...func(*Settings)) *world {
	t.Helper()
	t.Parallel()
	s := DefaultSettings()
	s.NATSURL, s.DatabaseURL = servicestest.NATS(t), servicestest.Postgres(t)
	s.Replicas, s.Partitions, s.Work, s.Name = 1, 2, 0, "test"
	s.Window, s.Lateness, s.Slack = time.Second, time.Second, time.Second
	for _, c := range change {
		c(&s)
	}
	log, err := OpenLog(s)
	check(t, err)
	pool, err := OpenDatabase(t.Context(), s)
	check(t, err)
	t.Cleanup(pool.Close)
	t.Cleanup(func() { check(t, log.Close()) })
	check(t, MakeTables(t.Context(), pool, time.Minute))
	return &world{
		t: t, settings: s, log: log, pool: pool,
		work: func(context.Context, shop.Order) error { return nil },
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) consumer() *Consumer { return NewConsumer(w.log, w.pool, w.settings, w.work) }

// order is one that was placed so many seconds after noon.
func (w *world) order(seconds float64) shop.Order {
	order, err := shop.NewOrder("ada@example.org", shop.SampleItems()...)
	check(w.t, err)
	order.PlacedAt = after(seconds)
	return order
}

func (w *world) append(partition int, orders ...shop.Order) {
	w.t.Helper()
	for _, order := range orders {
		body, err := encode(order)
		check(w.t, err, w.log.Append(w.t.Context(), partition, order.ID, body))
	}
}

// pay appends a payment that was made so many seconds after noon.
func (w *world) pay(partition int, orderID string, seconds float64) {
	w.t.Helper()
	body, err := encodePayment(Payment{orderID, 100, after(seconds)})
	check(w.t, err, w.log.Append(w.t.Context(), partition, "payment-"+orderID, body))
}

// batch reads records of a partition.
func (w *world) batch(partition int, from uint64, n int) []Record {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	reader, err := w.log.Read(ctx, partition, from)
	check(w.t, err)
	defer reader.Close()
	var all []Record
	for len(all) < n {
		some, err := reader.Batch(ctx, n-len(all))
		check(w.t, err)
		all = append(all, some...)
	}
	return all
}

func (w *world) load(c *Consumer, partition int) *share {
	w.t.Helper()
	p, err := c.load(w.t.Context(), partition)
	check(w.t, err)
	return p
}

func (w *world) number(query string, args ...any) (n int) {
	w.t.Helper()
	check(w.t, w.pool.QueryRow(w.t.Context(), query, args...).Scan(&n))
	return n
}

// sums is the number of orders in tumbling windows.
func (w *world) sums() int {
	return w.number(`SELECT coalesce(sum(orders), 0) FROM windows WHERE shape = $1 AND product = ''`,
		Tumbling)
}

func (w *world) book() Book {
	w.t.Helper()
	book, err := ReadBook(w.t.Context(), w.log, w.pool, w.settings)
	check(w.t, err)
	return book
}

// until waits for something in the world.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// What is in memory can be thrown away at any time: who reads on has the same windows.
func TestTheNextReaderHasTheSameWindows(t *testing.T) {
	w := newWorld(t)
	w.append(0, w.order(0), w.order(0.5), w.order(3), w.order(1.9), w.order(0.1), w.order(6))
	records := w.batch(0, 0, 6)
	one := w.consumer()
	p := w.load(one, 0)
	check(t, one.exactlyOnce(t.Context(), p, records[:4]))
	other := w.consumer()
	q := w.load(other, 0)
	if q.position != p.position || !q.windows.Latest.Equal(p.windows.Latest) {
		t.Errorf("position %d, latest %v; want %d, %v", q.position, q.windows.Latest,
			p.position, p.windows.Latest)
	}
	if fmt.Sprint(q.windows.Open) != fmt.Sprint(p.windows.Open) ||
		fmt.Sprint(q.windows.Seen) != fmt.Sprint(p.windows.Seen) {
		t.Errorf("loaded\n%v\n%v\nwant\n%v\n%v", q.windows.Open, q.windows.Seen,
			p.windows.Open, p.windows.Seen)
	}
	check(t, other.exactlyOnce(t.Context(), q, records[4:]))
	// 0.1 came when the watermark was 2: its tumbling window [0, 1) was closed, sliding ones were not.
	if n := w.number(`SELECT count(*) FROM too_late WHERE shape = $1`, Tumbling); n != 1 {
		t.Errorf("%d orders came too late", n)
	}
	if n := w.number(`SELECT count(DISTINCT starts) FROM windows
		WHERE shape = $1 AND closed_at IS NOT NULL`, Tumbling); n != 3 {
		t.Errorf("%d windows are closed: those of 0, 1 and 3 are", n)
	}
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
}

// Who reads on knows the orders whose payments come. The variant has forgotten them.
func TestTheNextReaderKnowsWhoHasNotPaid(t *testing.T) {
	for variant, want := range map[string]map[Outcome]int{
		"":               {Paid: 4, Unpaid: 1, Waiting: 2}, // two pairs are four records
		"join-in-memory": {Paid: 2, Unmatched: 1},
	} {
		t.Run("variant "+variant, func(t *testing.T) {
			w := newWorld(t, func(s *Settings) { s.PayWithin, s.Variant = 5*time.Second, variant })
			a, b, c, d := w.order(0), w.order(1), w.order(2), w.order(20)
			w.append(0, a, b, c)
			w.pay(0, a.ID, 1)
			w.pay(0, w.order(0).ID, 21) // its order is nowhere; the watermark of payments comes far
			w.pay(0, b.ID, 3)
			w.append(0, d) // and the time to pay for c is over
			records := w.batch(0, 0, 7)
			one, other := w.consumer(), w.consumer()
			check(t, one.exactlyOnce(t.Context(), w.load(one, 0), records[:5]))
			check(t, other.exactlyOnce(t.Context(), w.load(other, 0), records[5:]))
			got := map[Outcome]int{}
			for _, outcome := range []Outcome{Waiting, Paid, Unpaid, Unmatched, LateOrder} {
				n := w.number(`SELECT count(*) FROM joined WHERE outcome = $1`, string(outcome))
				if n > 0 {
					got[outcome] = n
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			book := Book{Unpaid: 1}
			if variant != "" { // b and c have no outcome, and the payment of b has another
				book = Book{Differing: 3, Misjoined: 3}
			}
			if got := w.book(); got != book {
				t.Errorf("the book says %+v, want %+v", got, book)
			}
		})
	}
}

// A payment stands in the partition of its order, behind it. Who has not paid when the shop closes does
// not.
func TestPaymentsStandBehindTheirOrders(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.PayWithin = 40 * time.Millisecond })
	p := NewProducer(w.log, w.settings)
	records := uint64(0)
	for range 40 {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		check(t, err, p.Place(t.Context(), order))
		if _, ever := w.settings.pays(order); ever {
			records++
		}
		records++
	}
	var ends []uint64
	until(t, "all payments", func() (all bool) {
		var err error
		ends, err = w.log.Ends(t.Context())
		check(t, err)
		return ends[0]+ends[1] == records
	})
	p.Close()
	for partition, end := range ends {
		placed := map[string]bool{}
		for _, record := range w.batch(partition, 0, int(end)) {
			event, err := decode(record.Body)
			check(t, err)
			if event.Payment == nil {
				placed[event.ID] = true
			} else if !placed[event.Payment.OrderID] {
				t.Errorf("record %d of partition %d is a payment of an order that is not before it",
					record.Offset, partition)
			}
		}
	}
	slow := w.settings
	slow.PayWithin = time.Hour
	p = NewProducer(w.log, slow)
	for range 8 {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		check(t, err, p.Place(t.Context(), order))
	}
	began := time.Now()
	p.Close()
	if took := time.Since(began); took > 2*answerTime {
		t.Errorf("it closes in %v", took)
	}
}

// A reader that was replaced, and does not know it, changes nothing.
func TestAReaderThatWasOvertakenChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.append(0, w.order(0), w.order(1), w.order(2))
	records := w.batch(0, 0, 3)
	slow, fast := w.consumer(), w.consumer()
	old := w.load(slow, 0)
	check(t, fast.exactlyOnce(t.Context(), w.load(fast, 0), records[:2]))
	err := slow.exactlyOnce(t.Context(), old, records[:1])
	if !errors.Is(err, errOvertaken) {
		t.Errorf("error %v, want %v", err, errOvertaken)
	}
	// Not even if it has read further.
	if err := slow.exactlyOnce(t.Context(), old, records[:3]); !errors.Is(err, errOvertaken) {
		t.Errorf("error %v, want %v", err, errOvertaken)
	}
	if n := w.sums(); n != 2 {
		t.Errorf("%d orders are counted, want 2", n)
	}
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
}

// One bad record does not hold the others up, and stands among the dead with its reason.
func TestRecordsThatCannotBeProcessed(t *testing.T) {
	w := newWorld(t)
	bounced, panics, twice := w.order(1), w.order(2), w.order(3)
	bounced.UserEmail = "nobody@" + shop.BounceDomain
	var packed atomic.Int64
	w.work = func(ctx context.Context, o shop.Order) error {
		if o.ID == panics.ID {
			panic("it is too heavy")
		}
		packed.Add(1)
		return shop.Work(ctx, o, 0)
	}
	ctx := t.Context()
	for i, body := range []string{"", "garbage\x00", strings.Repeat("x", 100_000)} {
		check(t, w.log.Append(ctx, 0, fmt.Sprint("bad-", i), []byte(body)))
	}
	w.append(0, bounced, panics, twice)
	body, err := encode(twice)
	check(t, err, w.log.Append(ctx, 0, "another id", body))
	w.append(0, w.order(4))
	c := w.consumer()
	check(t, c.exactlyOnce(ctx, w.load(c, 0), w.batch(0, 0, 8)))
	if n := w.sums(); n != 2 || packed.Load() != 3 {
		t.Errorf("%d orders are counted, and %d were packed", n, packed.Load())
	}
	for reason, want := range map[string]int{
		"unreadable%": 3, "%bounced%": 1, "the handler panicked: it is too heavy": 1,
	} {
		if n := w.number(`SELECT count(*) FROM dead WHERE reason LIKE $1`, reason); n != want {
			t.Errorf("%d are dead because of %q, want %d", n, reason, want)
		}
	}
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
}

// The book is not one of the sums: it sees what is wrong with them.
func TestTheBookSeesWrongSums(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil string
		want  Book
	}{
		"counted twice": {`UPDATE windows SET orders = orders + 1 WHERE product = '' AND shape = 'tumbling'`,
			Book{Duplicated: 1, Differing: 1}},
		"not counted":   {`DELETE FROM windows WHERE shape = 'tumbling'`, Book{Lost: 1, Differing: 3}},
		"another price": {`UPDATE windows SET cents = cents + 1 WHERE product <> ''`, Book{Differing: 12}},
		"another minute": {`UPDATE windows SET starts = starts + interval '1 s', ends = ends + interval '1 s'
			WHERE shape = 'tumbling'`, Book{Lost: 1, Duplicated: 1, Differing: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.append(1, w.order(0))
			c := w.consumer()
			check(t, c.exactlyOnce(t.Context(), w.load(c, 1), w.batch(1, 0, 1)))
			if book := w.book(); book != (Book{}) {
				t.Fatalf("before: %+v", book)
			}
			_, err := w.pool.Exec(t.Context(), tt.spoil)
			check(t, err)
			if book := w.book(); book != tt.want {
				t.Errorf("%+v, want %+v", book, tt.want)
			}
		})
	}
}

// Consumers come and go, a second group reads everything again: the sums are those of the log.
func TestConsumersShareThePartitions(t *testing.T) {
	w := newWorld(t, func(s *Settings) {
		s.Partitions, s.MemberTTL, s.Work = 4, time.Second, time.Millisecond
	})
	begin := func(name, group string) (stop func()) {
		own := *w
		own.settings.Name, own.settings.Group = name, group
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- own.consumer().Run(ctx) }()
		return func() {
			cancel()
			check(t, <-ended)
		}
	}
	stopOne := begin("one", DefaultGroup)
	for i := range 200 {
		order := w.order(float64(i) / 20)
		order.UserEmail = fmt.Sprintf("customer-%d@example.org", i%4)
		w.append(i%4, order)
		switch i {
		case 60:
			defer begin("two", DefaultGroup)()
		case 120:
			defer begin("again", "another")()
		case 150:
			stopOne()
		}
	}
	until(t, "all orders in both groups", func() bool { return w.sums() == 400 })
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
	names, err := w.pool.Query(t.Context(), `SELECT name FROM members ORDER BY name`)
	check(t, err)
	var all []string
	for names.Next() {
		var name string
		check(t, names.Scan(&name))
		all = append(all, name)
	}
	if !slices.Equal(all, []string{"again", "two"}) {
		t.Errorf("members are %v: who has stopped has left", all)
	}
	lag, err := Results{Log: w.log, Pool: w.pool, Settings: w.settings}.lag(t.Context())
	if err != nil || lag != 0 {
		t.Errorf("lag %d, %v", lag, err)
	}
}

// What waiting cannot mend is said and not waited for.
func TestAWrongDatabaseIsAnError(t *testing.T) {
	w := newWorld(t)
	s := w.settings
	u, err := url.Parse(s.DatabaseURL)
	check(t, err)
	u.Path = "/nowhere"
	s.DatabaseURL = u.String()
	pool, err := OpenDatabase(t.Context(), s)
	check(t, err)
	defer pool.Close()
	err = NewConsumer(w.log, pool, s, w.work).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such database: check DATABASE_URL") {
		t.Errorf("error %v", err)
	}
}

// A reader that hangs between its two statements is gone for the others, and for itself.
func TestAReaderThatHungHasNoShare(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.MemberTTL = 0 })
	if mine, err := w.consumer().share(t.Context()); err != nil || len(mine) > 0 {
		t.Errorf("its share is %v, %v", mine, err)
	}
}

// A reader that hangs in the middle of its transaction does not hold the others up forever.
func TestAReaderThatHangsLosesItsLocks(t *testing.T) {
	w := newWorld(t)
	w.append(0, w.order(0))
	c := w.consumer()
	p := w.load(c, 0)
	w.settings.MemberTTL = 200 * time.Millisecond // the others may be slow for once
	hangs, begun := w.consumer(), make(chan struct{})
	ended, hang := make(chan error, 1), make(chan struct{})
	end := sync.OnceFunc(func() { close(hang) })
	defer end()
	go func() {
		ended <- hangs.inTransaction(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE progress SET position = 7`)
			close(begun)
			<-hang
			return err
		})
	}()
	<-begun
	check(t, c.exactlyOnce(t.Context(), p, w.batch(0, 0, 1)))
	end()
	if err := <-ended; err == nil {
		t.Error("who has hung has committed all the same")
	}
	if n := w.number(`SELECT position FROM progress`); n != 1 {
		t.Errorf("the position is %d", n)
	}
}
