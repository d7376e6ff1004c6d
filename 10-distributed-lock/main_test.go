package lock

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// patience bounds every wait in the tests. None takes nearly as long.
const patience = 30 * time.Second

// longExpiry is for tests in which no lock is meant to expire: a machine that is
// busy with something else for a second or two must not make it.
const longExpiry = 10 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv("LOG") == "" { // LOG=1 shows what the code under test logs
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	code := servicestest.Run(m)
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(code)
}

// programs is the folder of those that a test has built, if one has.
var programs string

// onRedis returns settings for one node, on which the test has a part of its own.
func onRedis(t testing.TB) Settings {
	t.Helper()
	s := DefaultSettings()
	s.Redis, s.Expiry = servicestest.Redis(t), longExpiry
	return s
}

// onNodes returns settings for so many nodes, and a function that does something
// to one of them: it is the test's own.
func onNodes(t testing.TB, n int) (s Settings, do func(act string, node int)) {
	t.Helper()
	servers := servicestest.RedisNodes(t, n)
	s = DefaultSettings()
	s.Expiry = longExpiry
	var urls []string
	for _, server := range servers {
		urls = append(urls, server.URL)
	}
	s.Redis = strings.Join(urls, ",")
	return s, func(act string, node int) {
		t.Helper()
		server := servers[node-1]
		acts := map[string]func(context.Context) error{
			"kill": server.Kill, "start": server.Start, "restart": server.Restart,
		}
		if err := acts[act](t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// locker returns a locker of its own connections, as another program has.
func locker(t testing.TB, s Settings, sequencer Sequencer) *Locker {
	t.Helper()
	nodes, err := Connect(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewLocker(s, nodes, sequencer)
}

// acquire takes a lock that must be had.
func acquire(t testing.TB, l *Locker, key string) *Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release(t, lease) })
	return lease
}

// once tries a lock and returns what became of it. A node that did not answer in time, on a
// machine that is busy, has refused nothing: then it is tried again.
func once(t testing.TB, l *Locker, key string) (*Lease, error) {
	t.Helper()
	for ends := time.Now().Add(patience); ; {
		lease, err := l.Acquire(t.Context(), key)
		if !errors.Is(err, ErrNoQuorum) || time.Now().After(ends) {
			return lease, err
		}
	}
}

// release may come to nodes that are dead by now.
func release(t testing.TB, lease *Lease) {
	t.Helper()
	if err := lease.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Log(err)
	}
}

// abandon leaves a lease as a process does that is killed: nobody extends it.
func abandon(lease *Lease) {
	lease.stop()
	<-lease.done
}

// expire abandons a lease and lets its time end now.
func expire(t testing.TB, lease *Lease) {
	t.Helper()
	abandon(lease)
	now := time.Now()
	lease.until.Store(&now)
	for _, c := range lease.locker.nodes.clients {
		if err := c.PExpire(context.Background(), "lock:"+lease.Key, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// lost waits for the end of a lease, which ends its work, and returns the reason.
func lost(t testing.TB, lease *Lease) error {
	t.Helper()
	receive(t, "end of the watchdog", lease.done)
	if lease.Context().Err() == nil {
		t.Fatal("the lock is lost, and the work goes on")
	}
	return context.Cause(lease.Context())
}

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

func newOrder(t testing.TB, email string) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// accountIn returns the account in a database, as a process of its own has it.
func accountIn(t testing.TB, url string, fencing bool) *Account {
	t.Helper()
	s := DefaultSettings()
	s.Database = url
	pool, err := OpenDatabase(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	a := NewAccount(pool, fencing)
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// newAccount returns an account of the test's own, with its fence.
func newAccount(t testing.TB) *Account {
	t.Helper()
	return accountIn(t, servicestest.Postgres(t), true)
}

// open writes an order down and returns its identity.
func open(t testing.TB, a *Account) string {
	t.Helper()
	order := newOrder(t, shop.SampleEmail)
	if err := a.Open(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	return order.ID
}

// opened returns an account with one order.
func opened(t testing.TB) (*Account, string) {
	t.Helper()
	a := newAccount(t)
	return a, open(t, a)
}

// unfenced is opened without the fence.
func unfenced(t testing.TB) (*Account, string) {
	t.Helper()
	a := accountIn(t, servicestest.Postgres(t), false)
	return a, open(t, a)
}

// overlaps is what the account's record says of the lock.
func overlaps(t testing.TB, a *Account) (overlaps, rejected int) {
	t.Helper()
	overlaps, rejected, err := a.Overlaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return overlaps, rejected
}
