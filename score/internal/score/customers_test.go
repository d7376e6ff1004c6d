package score

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	answers := map[string]struct {
		status    int
		body      string
		order     string
		errorSays string
	}{
		"accepted": {http.StatusAccepted, `{"order_id":"0199-a"}`, "0199-a", ""},
		"done":     {http.StatusOK, `{"order_id":"0199-b"}`, "0199-b", ""},
		"nothing":  {http.StatusAccepted, "", "", ""},
		"refused":  {http.StatusServiceUnavailable, `{"error":"full"}`, "", "503"},
		"garbled":  {http.StatusAccepted, "{", "", "read the answer"},
	}
	for name, want := range answers {
		shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1); r.Method != http.MethodPost || r.URL.Path != "/orders" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(want.status)
			_, _ = w.Write([]byte(want.body)) // a customer who has gone is seen by the customer
		}))
		door, err := newCustomers(shop.URL)
		if err != nil {
			t.Fatal(err)
		}
		order, err := door.place(t.Context())
		if order != want.order || (err == nil) != (want.errorSays == "") ||
			err != nil && !strings.Contains(err.Error(), want.errorSays) {
			t.Errorf("%s: %q, %v", name, order, err)
		}
		door.close()
		shop.Close()
		if _, err := door.place(t.Context()); err == nil {
			t.Errorf("%s: an order was placed in a shop that is closed", name)
		}
	}
	if n := asked.Load(); n != int64(len(answers)) {
		t.Errorf("asked %d times, want once for each order: nobody orders twice", n)
	}
	if _, err := newCustomers(""); err == nil {
		t.Error("a shop without an address was found")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	door, err := newCustomers("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := door.place(ctx); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("after the end: %v", err)
	}
}

// A shop that ends in the middle of an answer may have taken the order: it is not ordered again.
func TestCustomersDoNotOrderTwice(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer shop.Close()
	door, err := newCustomers(shop.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer door.close()
	for i, want := range []bool{true, false, true} { // the second on a connection that was used
		if _, err := door.place(t.Context()); (err == nil) != want {
			t.Errorf("order %d: %v", i+1, err)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

// BenchmarkGenerator compares the customers with those of net/http, in turns, against the same
// server that does nothing, on the processors that it shares with them.
func BenchmarkGenerator(b *testing.B) {
	addr, stop, err := serveNothing(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	door, err := newCustomers("http://" + addr)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	ways := map[string]func(context.Context, time.Time) error{
		"ours": door.due,
		"net/http": func(ctx context.Context, _ time.Time) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/orders", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		},
	}
	took := map[string]time.Duration{}
	const turn = 2000
	for n := 0; b.Loop(); n++ {
		for name, way := range ways {
			took[name] += window(b, turn, way)
		}
	}
	ours := float64(turn*b.N) / took["ours"].Seconds()
	theirs := float64(turn*b.N) / took["net/http"].Seconds()
	b.ReportMetric(ours, "orders/s")
	b.ReportMetric(ours/theirs, "of-net/http")
	door.close()
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		b.Error(err)
	}
}

// window makes so many requests, 64 at a time.
func window(b *testing.B, n int, way func(context.Context, time.Time) error) time.Duration {
	b.Helper()
	start := time.Now()
	var left, refused atomic.Int64
	left.Store(int64(n))
	w := NewWindow(64)
	ctx, cancel := context.WithCancel(b.Context())
	w.RunBy(ctx, 64, func(ctx context.Context) error {
		if left.Add(-1) < 0 {
			cancel()
			return nil
		}
		err := way(ctx, time.Now())
		if err != nil {
			refused.Add(1)
		}
		w.Done()
		return err
	})
	cancel()
	if refused.Load() > 0 {
		b.Errorf("%d requests failed", refused.Load())
	}
	return time.Since(start)
}
