package actors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/12-actors/engine"
)

// take asks the stock of mugs for one, for an order of that name, and waits so long.
func take(ctx context.Context, w *Web, order string, waits time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	_, err := GetStockGrainClient(w.node.cluster, "mug").Take(
		&TakeRequest{Order: order, Quantity: 1}, engine.Until(ctx))
	return err
}

// stuckStock starts a shop whose stock of mugs is stuck in its first write, for the call
// of which first tells the end. It goes on when release is called.
func stuckStock(t *testing.T, change func(*Settings)) (
	w *Web, h http.Handler, release func(), first <-chan error,
) {
	t.Helper()
	stuck, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w, h = startShopOn(t, change, func(s engine.Store) engine.Store {
		return watched{s, func(context.Context) {
			once.Do(func() { close(stuck); <-goOn })
		}}
	})
	release = sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	ended := make(chan error, 1)
	go func() { ended <- take(t.Context(), w, "first", aLongTime) }()
	<-stuck
	return w, h, release, ended
}

// crowd lets so many call the stock of mugs at once who have little patience, and
// returns how many were sent away.
func crowd(t *testing.T, w *Web, name string, patience time.Duration) (sentAway int64) {
	t.Helper()
	var all sync.WaitGroup
	var busy atomic.Int64
	for n := range mailboxSize + 1 {
		all.Go(func() {
			switch err := take(t.Context(), w, fmt.Sprint(name, n), patience); {
			case err == nil:
				t.Error("a stock that is stuck has answered")
			case engine.Busy(err):
				busy.Add(1)
			}
		})
	}
	all.Wait()
	return busy.Load()
}

// The grain that everybody wants is stuck. Its mailbox fills, who comes then is sent
// away at once, and when it goes on, nobody is served who has given up.
func TestHotStock(t *testing.T) {
	w, h, release, first := stuckStock(t, nil)
	const patience = 100 * time.Millisecond
	// On a busy machine some of a crowd give up before they have called.
	for round := 0; crowd(t, w, fmt.Sprint("dead-", round, "-"), patience) == 0; round++ {
		if round == 20 {
			t.Fatal("the mailbox has no bound")
		}
	}
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status !=
		http.StatusServiceUnavailable || !contains(fmt.Errorf("%v", answer), "too many calls wait") {
		t.Errorf("a customer was told %d %v", status, answer)
	}
	since := time.Now() // whoever is in the mailbox was there before this
	until(t, func() bool { return time.Since(since) > patience })

	release()
	if err := <-first; err != nil {
		t.Errorf("the call in progress: %v", err)
	}
	// The dead fill the mailbox for a moment, until each has had its turn and is dropped.
	var err error
	until(t, func() bool {
		err = take(t.Context(), w, "last", aLongTime)
		return !engine.Busy(err)
	})
	if err != nil {
		t.Errorf("the first one after the flood: %v", err)
	}
	wantStock(t, w, "mug", &CountReply{Sold: 2, Orders: 2, Version: 2, Served: 2})
}

// The wrong way: whoever has given up is served all the same, before the others.
func TestUnboundedMailboxServesTheDead(t *testing.T) {
	w, _, release, first := stuckStock(t, func(s *Settings) { s.Variant = "unbounded-mailbox" })
	if n := crowd(t, w, "dead-", 500*time.Millisecond); n > 0 {
		t.Errorf("%d were sent away", n)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	reply, err := count(t.Context(), w, "mug")
	if err != nil || reply.GetServed() < 2 {
		t.Errorf("served %v, %v: the dead should have been, before this call", reply, err)
	}
}

// An order waits for a stock as long as a try lasts, and its call dies with that: it
// is not served when the customer has long gone.
func TestTakeCarriesItsDeadline(t *testing.T) {
	const try = 100 * time.Millisecond
	w, h, release, first := stuckStock(t, func(s *Settings) { s.Try, s.Patience = try, 2*try })
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status !=
		http.StatusServiceUnavailable {
		t.Errorf("%d %v", status, answer)
	}
	for range 2 { // what waits at the order, then what it has left at the stock
		since := time.Now()
		until(t, func() bool { return time.Since(since) > 2*try && w.node.counter.Busy() == 1 })
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	wantStock(t, w, "mug", &CountReply{Sold: 1, Orders: 1, Version: 1, Served: 1})
}

// A call that was begun is brought to an end, though its caller has gone: whoever
// asks again finds it done.
func TestTurnEnds(t *testing.T) {
	stuck, goOn := make(chan struct{}), make(chan struct{})
	w, _ := startShopOn(t, nil, func(s engine.Store) engine.Store {
		return watched{s, func(context.Context) { close(stuck); <-goOn }}
	})
	gone, leaves := context.WithCancel(t.Context())
	go func() { <-stuck; leaves() }()
	if err := take(gone, w, "one", aLongTime); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(goOn)
	wantStock(t, w, "mug", &CountReply{Sold: 1, Orders: 1, Version: 1, Served: 1})
}

// The front door is bounded, too.
func TestFullDoor(t *testing.T) {
	w, h := startShop(t, nil)
	for range doorSize {
		w.door <- struct{}{}
	}
	status, answer := ask(t, h, http.MethodPost, "/orders", "")
	if status != http.StatusServiceUnavailable || answer["error"] != ErrFull.Error() {
		t.Errorf("%d %v", status, answer)
	}
	<-w.door
	for range 2 { // an order that is done makes room for the next
		buyMug(t, h)
	}
}
