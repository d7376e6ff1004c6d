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

	"github.com/asynkron/protoactor-go/cluster"
)

// take asks the stock of mugs for one, for an order of that name, and waits so long.
func take(ctx context.Context, w *Web, order string, waits time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	_, err := Ask(ctx, func(how ...cluster.GrainCallOption) (*TakeReply, error) {
		return GetStockGrainClient(w.node.cluster, "mug").Take(
			&TakeRequest{Order: order, Quantity: 1}, how...)
	})
	return err
}

// The grain that everybody wants is stuck. Its mailbox fills, who comes then is sent
// away at once, and when it goes on, nobody is served who has given up.
func TestHotStock(t *testing.T) {
	stuck, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w, h := startShopOn(t, nil, func(s Store) Store {
		return watched{s, func(context.Context) {
			once.Do(func() { close(stuck); <-goOn })
		}}
	})
	first := make(chan error, 1)
	go func() { first <- take(t.Context(), w, "first", aLongTime) }()
	<-stuck

	const patience = 100 * time.Millisecond
	full := make(chan struct{})
	var waiting sync.WaitGroup
	var told sync.Once
	for n := 0; !isClosed(full); n++ {
		if n == 10*mailboxSize {
			t.Fatal("the mailbox has no bound")
		}
		waiting.Go(func() {
			if Busy(take(t.Context(), w, fmt.Sprint("dead-", n), patience)) {
				told.Do(func() { close(full) })
			}
		})
	}
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status !=
		http.StatusServiceUnavailable || !contains(fmt.Errorf("%v", answer), "too many calls wait") {
		t.Errorf("a customer was told %d %v", status, answer)
	}
	waiting.Wait()
	since := time.Now() // whoever is in the mailbox was there before this
	until(t, func() bool { return time.Since(since) > patience })

	close(goOn)
	if err := <-first; err != nil {
		t.Errorf("the call in hand: %v", err)
	}
	if err := take(t.Context(), w, "last", aLongTime); err != nil {
		t.Errorf("the first one after the flood: %v", err)
	}
	wantStock(t, w, "mug", &CountReply{Sold: 2, Orders: 2, Version: 2, Served: 2})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// The wrong way: whoever has given up is served all the same, before the others.
func TestUnboundedMailboxServesTheDead(t *testing.T) {
	stuck, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	change := func(s *Settings) { s.Variant = "unbounded-mailbox" }
	w, _ := startShopOn(t, change, func(s Store) Store {
		return watched{s, func(context.Context) {
			once.Do(func() { close(stuck); <-goOn })
		}}
	})
	first := make(chan error, 1)
	go func() { first <- take(t.Context(), w, "first", aLongTime) }()
	<-stuck
	const dead = 2 * mailboxSize
	var waiting sync.WaitGroup
	for n := range dead {
		waiting.Go(func() {
			err := take(t.Context(), w, fmt.Sprint("dead-", n), 500*time.Millisecond)
			if err == nil || Busy(err) {
				t.Errorf("a caller behind a grain that is stuck: %v", err)
			}
		})
	}
	waiting.Wait()
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	reply, err := w.node.count(aLongTime)(t.Context(), "mug")
	if err != nil || reply.GetServed() < 2 {
		t.Errorf("served %v, %v: the dead should have been, before this call", reply, err)
	}
}

// A turn ends when its caller stops waiting, and so do the calls that it makes: the
// customer's patience goes along.
func TestDeadlineTravels(t *testing.T) {
	ended := make(chan error, 1)
	w, h := startShopOn(t, func(s *Settings) {
		s.Try, s.Patience = time.Minute, 200*time.Millisecond
	}, func(s Store) Store {
		return watched{s, func(ctx context.Context) {
			<-ctx.Done()
			ended <- ctx.Err()
		}}
	})
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status !=
		http.StatusServiceUnavailable {
		t.Errorf("%d %v", status, answer)
	}
	select {
	case <-ended:
	case <-time.After(aLongTime):
		t.Error("the stock works on for a customer who has gone")
	}
	until(t, func() bool { return w.node.counter.busy() == 0 })
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

func TestBudget(t *testing.T) {
	t.Parallel()
	b := &Budget{tries: 2}
	if !b.spend() || !b.spend() || b.spend() {
		t.Error("two tries are two")
	}
	for range 10 {
		if b.spend() {
			t.Error("a try for less than ten answers")
		}
		b.earn()
	}
	b.tries += 1e-9 // ten tenths
	if !b.spend() || b.spend() {
		t.Error("ten answers earn one try")
	}
	b = NewBudget()
	b.earn()
	if b.tries != maxTries {
		t.Errorf("saved %v", b.tries)
	}
}

// Without a budget, a grain that never answers would be asked for as long as anybody
// has patience.
func TestCallEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, err := Call(t.Context(), &Budget{tries: 2}, "Order/1", time.Second,
		answers(&calls, errors.New("broken")))
	if calls.Load() != 3 || !contains(err, "call Order/1: broken") {
		t.Errorf("%d calls, %v; want the first and two more", calls.Load(), err)
	}
}
