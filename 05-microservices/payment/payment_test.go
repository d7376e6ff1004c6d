package payment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// A repeat has the first answer. Another charge under the same key is refused, in
// whatever it differs.
func TestOnceForEveryKey(t *testing.T) {
	t.Parallel()
	s := quick(t)
	replicas := []*Payment{newPayment(t, s), newPayment(t, s)}
	first, err := replicas[0].Charge(t.Context(), "key", chargeOf("o", 4499))
	if err != nil || first.Repeated || first.ID == "" || first.AmountCents != 4499 {
		t.Fatalf("%+v, %v", first, err)
	}
	replicas = append(replicas, newPayment(t, s)) // started later
	mallory := chargeOf("o", 4499)
	mallory.UserEmail = "mallory@example.com"
	for i, p := range replicas {
		again, err := p.Charge(t.Context(), "key", chargeOf("o", 4499))
		if first.Repeated = true; err != nil || again != first {
			t.Errorf("replica %d: %+v, %v", i, again, err)
		}
		for _, other := range []Charge{chargeOf("o", 4500), chargeOf("another", 4499), mallory} {
			if r, err := p.Charge(t.Context(), "key", other); !errors.Is(err, ErrKeyReused) ||
				r != (Receipt{}) {
				t.Errorf("replica %d, another charge: %+v, %v", i, r, err)
			}
		}
	}
}

// A decline is an end, too: the same key has it again, and a good card needs a key of
// its own.
func TestDeclineIsRemembered(t *testing.T) {
	t.Parallel()
	s := quick(t)
	bad := chargeOf("o", 1)
	bad.UserEmail = "x@" + shop.BounceDomain
	for _, repeated := range []bool{false, true, true} {
		r, err := newPayment(t, s).Charge(t.Context(), "key", bad)
		if !errors.Is(err, ErrDeclined) || r.Repeated != repeated {
			t.Errorf("%+v, %v, want a decline, repeated: %t", r, err, repeated)
		}
	}
	p := newPayment(t, s)
	if _, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the same key with a good card: %v", err)
	}
	if r, err := p.Charge(t.Context(), "another key", chargeOf("o", 1)); err != nil || r.Repeated {
		t.Errorf("another key with a good card: %+v, %v", r, err)
	}
	if a, err := p.Audit(); err != nil || a.Processed != 1 || len(a.Charges) != 1 {
		t.Errorf("the book lists %+v, %v", a, err)
	}
}

// What was not done is not remembered.
func TestNotNowIsForgotten(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.Fail = 1
	if _, err := newPayment(t, s).Charge(t.Context(), "key", chargeOf("o", 1)); !errors.Is(
		err, ErrUnavailable) {
		t.Errorf("told to fail: %v", err)
	}
	s.Fail = 0
	if r, err := newPayment(t, s).Charge(t.Context(), "key", chargeOf("o", 1)); err != nil ||
		r.Repeated {
		t.Errorf("well again: %+v, %v", r, err)
	}
}

// Repeats that come at the same time, through two replicas, are one charge.
func TestRepeatsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.Work = 20 * time.Millisecond
	replicas := []*Payment{newPayment(t, s), newPayment(t, s)}
	var mu sync.Mutex
	receipts := map[string]bool{}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			r, err := replicas[i%2].Charge(t.Context(), "key", chargeOf("o", 1))
			if errors.Is(err, ErrInProgress) {
				return
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			receipts[r.ID] = true
		})
	}
	group.Wait()
	if a, err := replicas[0].Audit(); len(receipts) != 1 || err != nil || len(a.Charges) != 1 {
		t.Errorf("%d receipts for one key; the book lists %+v, %v", len(receipts), a, err)
	}
}

// A replica freezes in the middle of a charge. Another one makes it. When the first
// thaws, it goes on, and does not charge again.
func TestFrozenReplicaDoesNotChargeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.Book, s.Work = dir, time.Hour
		frozen := newPayment(t, s)
		s.Work = 0
		other := newPayment(t, s)
		var thawed Receipt
		var first sync.WaitGroup
		first.Go(func() {
			r, err := frozen.Charge(t.Context(), "key", chargeOf("o", 1))
			if thawed = r; err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		r, err := other.Charge(t.Context(), "key", chargeOf("o", 1))
		if err != nil || r.Repeated {
			t.Errorf("the other: %+v, %v", r, err)
		}
		first.Wait()
		if !thawed.Repeated || thawed.ID != r.ID {
			t.Errorf("the other has %s, and the frozen one %+v", r.ID, thawed)
		}
	})
}

// captured is what is logged while a function runs. Who calls it must not be parallel:
// the logger is everybody's.
func captured(f func()) string {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	f()
	return log.String()
}

// A repeat that comes while the first is under way is told so, at once. One that comes
// later finds the charge in the book, before any work.
func TestRepeatsDoNoWork(t *testing.T) {
	log := captured(func() {
		synctest.Test(t, func(t *testing.T) {
			s := quick(t)
			s.Work, s.Workers = time.Second, 5
			p := newPayment(t, s)
			var first sync.WaitGroup
			first.Go(func() {
				if _, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			begun := time.Now()
			if _, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); !errors.Is(
				err, ErrInProgress) || time.Since(begun) != 0 {
				t.Errorf("under way: %v after %v", err, time.Since(begun))
			}
			first.Wait()
			begun = time.Now()
			if r, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); err != nil || !r.Repeated ||
				time.Since(begun) != 0 {
				t.Errorf("later: %+v, %v after %v", r, err, time.Since(begun))
			}
		})
	})
	if n := strings.Count(log, shop.MsgSkipped); n != 1 {
		t.Errorf("skipped %d times:\n%s", n, log)
	}
	// The effect is told with the repeat, too: its identity says that it is the same.
	effects := map[string]bool{}
	for line := range strings.Lines(log) {
		if _, effect, told := strings.Cut(line, "effect="); told {
			effects[effect] = true
		}
	}
	if n := strings.Count(log, shop.MsgProcessed); n != 2 || len(effects) != 1 {
		t.Errorf("processed %d times, %d effects:\n%s", n, len(effects), log)
	}
}

// The caller hangs up in the middle of the work. What was begun is ended, and the
// repeat finds it.
func TestCallerLeavesTheChargeStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Work = time.Second
		p := newPayment(t, s)
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(s.Work/2, hangUp)
		// Nobody hears the answer.
		if _, err := p.Charge(ctx, "key", chargeOf("o", 1)); err != nil {
			t.Error(err)
		}
		if r, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); err != nil || !r.Repeated {
			t.Errorf("the repeat: %+v, %v", r, err)
		}
	})
}

// So many charges at a time and no more; who is done makes room for the next.
func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Work, s.Workers = time.Second, 2
		p := newPayment(t, s)
		begun := time.Now()
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				if _, err := p.Charge(t.Context(), fmt.Sprint(i), chargeOf("o", 1)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(begun); took != 3*s.Work {
			t.Errorf("six charges, two at a time, took %v", took)
		}
	})
}

// What arrives when its caller has gone is not begun, and its key is free again.
func TestNobodyWaitsAnyMore(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.Workers = 1
	p := newPayment(t, s)
	if err := p.workers.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Charge(ctx, "key", chargeOf("o", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.workers.Release(1)
	if r, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); err != nil || r.Repeated {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

// A charge that cannot be entered is none. Once that is known, none is begun.
func TestPaymentWithoutItsBookChargesNobody(t *testing.T) {
	t.Parallel()
	s := quick(t)
	p := newPayment(t, s)
	if err := os.RemoveAll(s.Book); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Charge(t.Context(), "key", chargeOf("o", 1)); err == nil ||
		errors.Is(err, ErrUnavailable) {
		t.Errorf("a line was written, and where it is nobody knows: %+v, %v", r, err)
	}
	if r, err := p.Charge(t.Context(), "other", chargeOf("o", 1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the book is gone: %+v, %v", r, err)
	}
}

// A caller who has gone is not waited with.
func TestSlowAnswerIsHeldBackForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Slow = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := newPayment(t, s).Charge(ctx, "key", chargeOf("o", 1))
		if took := time.Since(begun); err == nil || took != time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// The book knows what was charged, and how often each order was.
func TestAudit(t *testing.T) {
	t.Parallel()
	p := newPayment(t, quick(t))
	for key, order := range map[string]string{"k1": "once", "k2": "twice", "k3": "twice"} {
		for range 2 { // a repeat changes nothing
			if _, err := p.Charge(t.Context(), key, chargeOf(order, 7)); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, err := p.Audit()
	if err != nil || a.Processed != 2 || a.Duplicated != 1 || len(a.Charges) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, c := range a.Charges {
		if c.AmountCents != 7 || c.Times != map[string]int{"once": 1, "twice": 2}[c.OrderID] {
			t.Errorf("%+v", c)
		}
	}
}
