package microservices

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"course.example/shop"
)

// chargerFunc is a payment service of one function.
type chargerFunc func(context.Context, string, Charge) (Receipt, error)

func (f chargerFunc) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	return f(ctx, key, c)
}

// hanging is a payment service that never answers.
func hanging(ctx context.Context, _ string, _ Charge) (Receipt, error) {
	<-ctx.Done()
	return Receipt{}, ctx.Err()
}

func newOrder(tb testing.TB, email string) shop.Order {
	tb.Helper()
	o, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// quick are settings for tests in which nothing is to take time.
func quick(tb testing.TB) Settings {
	tb.Helper()
	s := DefaultSettings()
	s.Work, s.Book = 0, tb.TempDir()
	s.CheckEvery = 5 * time.Millisecond
	// A loaded machine must not look like a dead payment service.
	s.TryTimeout, s.Deadline, s.CheckTimeout = 10*time.Second, 30*time.Second, 10*time.Second
	return s
}

func newPayment(tb testing.TB, s Settings) *Payment {
	tb.Helper()
	book, err := OpenBook(s.Book, s.KeyTTL, s.Keys)
	if err != nil {
		tb.Fatal(err)
	}
	return NewPayment(s, book)
}

// serve serves a payment service in both protocols and returns where.
func serve(tb testing.TB, payment Charger) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(Both(GRPCServer(payment), HTTPHandler(payment)))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	tb.Cleanup(server.Close)
	return server
}

// dial returns the way to a payment service.
func dial(tb testing.TB, transport, url string) Charger {
	tb.Helper()
	payment, err := Dial(Settings{Transport: transport, PaymentURL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := payment.Close(); err != nil {
			tb.Error(err)
		}
	})
	return payment
}

// eventually waits until something holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			tb.Fatalf("waited 20 s until %s", what)
		}
	}
}

// tally counts charges by key, as the money that was really taken.
type tally struct {
	mu    sync.Mutex
	taken map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken == nil {
		t.taken = map[string]int{}
	}
	t.taken[name]++
}

func (t *tally) of(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[name]
}
