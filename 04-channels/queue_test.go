package channels

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"course.example/lab/locktest"
	"course.example/shop"
)

func TestFullIsToldAndRoomIsUsed(t *testing.T) {
	t.Parallel()
	q := NewQueue(settings(2, 1))
	ids := fill(t, q, 2)
	if err := q.Put(newOrder(t)); !errors.Is(err, ErrFull) {
		t.Errorf("the third of two: %v", err)
	}
	if q.Depth() != 2 || q.Capacity() != 2 {
		t.Errorf("depth %d of %d", q.Depth(), q.Capacity())
	}
	if first := <-q.Orders(); first.ID != ids[0] {
		t.Error("the first in was not the first out")
	}
	if err := q.Put(newOrder(t)); err != nil {
		t.Errorf("there is room, and yet: %v", err)
	}
}

func TestCloseKeepsWhatIsInTheQueue(t *testing.T) {
	t.Parallel()
	q := NewQueue(settings(5, 1))
	fill(t, q, 3)
	q.Close()
	q.Close() // does nothing
	if err := q.Put(newOrder(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("put after close: %v", err)
	}
	n := 0
	for range q.Orders() {
		n++
	}
	if n != 3 {
		t.Errorf("%d of 3 orders came out", n)
	}
}

// Customers order while the shop closes. Nobody panics, and what was accepted is
// there: not one more, not one less.
func TestCloseWhileManyPut(t *testing.T) {
	t.Parallel()
	q := NewQueue(settings(10_000, 1))
	order := newOrder(t)
	var accepted atomic.Int64
	var customers sync.WaitGroup
	for range 8 {
		customers.Go(func() {
			for q.Put(order) == nil {
				if accepted.Add(1) == 500 {
					go q.Close()
				}
			}
		})
	}
	customers.Wait()
	q.Close() // for the case that the queue was full first
	out := int64(0)
	for range q.Orders() {
		out++
	}
	if out != accepted.Load() || out < 500 {
		t.Errorf("%d were accepted, %d came out", accepted.Load(), out)
	}
}

// Whoever closes the queue waits for the order that is just going in: the send
// would panic. The meeting is arranged, so that it happens every time: the order
// stands still between the look at closed and the channel.
func TestCloseWaitsForTheOrderThatGoesIn(t *testing.T) {
	t.Parallel()
	q := NewBounded(1)
	closed := make(chan struct{})
	err := q.whileOpen(func() error {
		if q.mu.TryLock() {
			q.mu.Unlock()
			t.Fatal("the queue can be closed while an order goes in")
		}
		if !q.mu.TryRLock() {
			t.Fatal("another customer has to wait while an order goes in")
		}
		q.mu.RUnlock()
		go func() { q.Close(); close(closed) }()
		for q.mu.TryRLock() { // until Close has asked for the lock
			q.mu.RUnlock()
			select {
			case <-closed:
				t.Fatal("the queue was closed while an order went in")
			default:
				runtime.Gosched()
			}
		}
		q.orders <- newOrder(t)
		return nil
	})
	<-closed
	if _, there := <-q.Orders(); err != nil || !there {
		t.Errorf("the order is there: %v, and its customer was told %v", there, err)
	}
}

// And whoever closes it waits for those who are putting an order.
func TestCloseHasTheQueueAlone(t *testing.T) {
	t.Parallel()
	q := NewBounded(1)
	locktest.Waits(t, q.mu.RLocker(), q.Close)
}

// Backpressure as a customer meets it: 202 while there is room, then 503 and
// when to come again. The depth can be read from outside.
func TestFullQueueOverHTTP(t *testing.T) {
	t.Parallel()
	s := settings(2, 1)
	q := NewQueue(s)
	c := NewConsumer(q, s, nil) // does not work yet
	counter := shop.Counter{Place: NewProducer(q).Place, Details: c.Details}
	ask := func(method, path string) (*httptest.ResponseRecorder, map[string]any) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		counter.Handler().ServeHTTP(w, r)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return w, answer
	}
	for i, want := range []int{202, 202, 503, 503} {
		w, answer := ask("POST", "/orders")
		if w.Code != want {
			t.Errorf("order %d: status %d, want %d", i+1, w.Code, want)
		}
		if want == 503 && (w.Header().Get("Retry-After") != "1" ||
			answer["error"] != "the queue is full: 2 orders wait") {
			t.Errorf("refused with %v, %v", w.Header(), answer)
		}
	}
	_, health := ask("GET", "/healthz")
	details, _ := health["details"].(map[string]any)
	if health["status"] != "ready" || details["depth"] != 2.0 || details["capacity"] != 2.0 {
		t.Errorf("healthz says %v", health)
	}
	<-q.Orders()
	if w, _ := ask("POST", "/orders"); w.Code != 202 {
		t.Errorf("there is room again, and the answer is %d", w.Code)
	}
}
