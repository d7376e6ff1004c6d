package order

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// What each policy promises, at its edges: one call less or one millisecond more
// would be another promise. Time is synctest's and exact.

// scripted is a payment service whose n-th call ends as the script says; the last
// line of the script holds for all that follow.
func scripted(calls *atomic.Int64, script ...error) chargerFunc {
	return func(context.Context, string, Charge) (Receipt, error) {
		n := min(int(calls.Add(1)), len(script))
		return Receipt{}, script[n-1]
	}
}

// once are settings for a charge that is tried once: an order is one call.
func once() Settings {
	s := DefaultSettings()
	s.Tries = 1
	return s
}

func placeAll(t *testing.T, o *Orders, n int) {
	t.Helper()
	for range n {
		place(t, o, shop.SampleEmail)
	}
}

// refusedAtOnce says whether an order is refused without a call to payment.
func refusedAtOnce(t *testing.T, o *Orders, calls *atomic.Int64) bool {
	t.Helper()
	before := calls.Load()
	status, took := place(t, o, shop.SampleEmail)
	return status == http.StatusServiceUnavailable && took == 0 && calls.Load() == before
}

// Half of at least ten calls in two seconds: less is bad luck, and opens nothing.
func TestBreakerOpensAtHalfOfTenCalls(t *testing.T) {
	t.Parallel()
	fails := ErrUnavailable
	for name, c := range map[string]struct {
		script []error
		apart  time.Duration
		open   bool
	}{
		"five of ten":   {[]error{nil, nil, nil, nil, nil, fails}, 0, true},
		"four of ten":   {[]error{nil, nil, nil, nil, nil, nil, fails}, 0, false},
		"in two second": {[]error{fails}, 150 * time.Millisecond, true},
		"in three":      {[]error{fails}, 300 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				o := NewOrders(once(), scripted(&calls, c.script...))
				for range 10 {
					placeAll(t, o, 1)
					time.Sleep(c.apart)
				}
				if calls.Load() != 10 {
					t.Fatalf("the breaker was open after %d calls", calls.Load())
				}
				if open := refusedAtOnce(t, o, &calls); open != c.open {
					t.Errorf("after ten calls the breaker is open: %t", open)
				}
			})
		})
	}
}

// An open breaker looks again after half a second, and many of them do not look in
// the same instant.
func TestBreakerLooksAgainAfterAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pauses []time.Duration
		for range 30 {
			var calls atomic.Int64
			o := NewOrders(once(), scripted(&calls, ErrUnavailable))
			placeAll(t, o, 10)
			opened := time.Now()
			for refusedAtOnce(t, o, &calls) {
				time.Sleep(time.Millisecond)
			}
			pauses = append(pauses, time.Since(opened))
		}
		slices.Sort(pauses)
		first, last := pauses[0], pauses[len(pauses)-1]
		if first < 400*time.Millisecond || last > 601*time.Millisecond {
			t.Errorf("they look again after %v to %v", first, last)
		}
		if last-first < 50*time.Millisecond {
			t.Errorf("all look again at the same time: after %v to %v", first, last)
		}
	})
}

// halfOpen returns an order service whose breaker has just opened and waited, and a
// payment service in the other's hands.
func halfOpen(t *testing.T, payment chargerFunc) (o *Orders, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	well := scripted(calls, ErrUnavailable)
	o = NewOrders(once(), chargerFunc(
		func(ctx context.Context, key string, c Charge) (Receipt, error) {
			if calls.Load() < 10 {
				return well(ctx, key, c)
			}
			calls.Add(1)
			return payment(ctx, key, c)
		}))
	placeAll(t, o, 10)
	if !refusedAtOnce(t, o, calls) {
		t.Fatal("the breaker is not open")
	}
	time.Sleep(time.Second)
	return o, calls
}

// Half open, three calls try whether payment is well, and not one more. Three that
// went well close it.
func TestHalfOpenBreakerLetsThreeTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		o, calls := halfOpen(t, func(context.Context, string, Charge) (Receipt, error) {
			<-answer
			return Receipt{}, nil
		})
		var trying sync.WaitGroup
		for range 3 {
			trying.Go(func() {
				if status, _ := place(t, o, shop.SampleEmail); status != http.StatusOK {
					t.Errorf("one of the three got %d", status)
				}
			})
		}
		synctest.Wait()
		if calls.Load() != 13 {
			t.Fatalf("%d calls try, want 3", calls.Load()-10)
		}
		if !refusedAtOnce(t, o, calls) {
			t.Error("a fourth call was let through")
		}
		close(answer)
		trying.Wait()
		placeAll(t, o, 20)
		if calls.Load() != 33 {
			t.Errorf("three calls went well, and of the next 20 only %d got through",
				calls.Load()-13)
		}
	})
}

// One that went well proves nothing: the next failure opens it again.
func TestHalfOpenBreakerOpensAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var after atomic.Int64
		o, calls := halfOpen(t, scripted(&after, nil, ErrUnavailable))
		placeAll(t, o, 2)
		if after.Load() != 2 || !refusedAtOnce(t, o, calls) {
			t.Errorf("after a success and a failure it is still not open, %d calls", after.Load())
		}
	})
}

// A dozen customers hang up, which says nothing about payment: the next one is
// served. And nobody asks again for one who has gone.
func TestCustomersWhoHangUpOpenNoBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		o := NewOrders(DefaultSettings(), chargerFunc(
			func(ctx context.Context, key string, c Charge) (Receipt, error) {
				if calls.Add(1) > 12 {
					return Receipt{}, nil
				}
				return hanging(ctx, key, c)
			}))
		for range 12 {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, leave)
			if err := o.Place(ctx, newOrder(t, shop.SampleEmail)); err == nil {
				t.Error("an order went through")
			}
		}
		if calls.Load() != 12 {
			t.Errorf("twelve customers left, and payment was asked %d times", calls.Load())
		}
		if status, _ := place(t, o, shop.SampleEmail); status != http.StatusOK {
			t.Errorf("twelve customers left, and the next one gets %d", status)
		}
	})
}

// Who waits for a timeout of ours, and only then hangs up, has seen payment fail.
func TestTimeoutsBeforeTheyLeftOpenTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		o := NewOrders(DefaultSettings(), chargerFunc(
			func(ctx context.Context, key string, c Charge) (Receipt, error) {
				calls.Add(1)
				return hanging(ctx, key, c)
			}))
		var customers sync.WaitGroup
		for range 12 {
			customers.Go(func() {
				ctx, leave := context.WithTimeout(t.Context(), 310*time.Millisecond)
				defer leave()
				if err := o.Place(ctx, newOrder(t, shop.SampleEmail)); err == nil {
					t.Error("an order went through")
				}
			})
		}
		customers.Wait()
		if !refusedAtOnce(t, o, &calls) {
			t.Error("twelve calls timed out, and the breaker is closed")
		}
	})
}

// What a customer did wrong, or we did, is a good answer of payment's.
func TestAnswersAreNoFailures(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ErrDeclined, ErrInvalid} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			o := NewOrders(DefaultSettings(), scripted(&calls, err))
			placeAll(t, o, 50)
			if calls.Load() != 50 {
				t.Errorf("%v: 50 orders were %d calls", err, calls.Load())
			}
		})
	}
}

// Who finds the bulkhead full waits for a place, and not for long.
func TestBulkheadIsWaitedForBriefly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes  time.Duration // the call that is under way
		status int
		waited time.Duration
	}{
		"a place comes free in time": {40 * time.Millisecond, http.StatusOK,
			80 * time.Millisecond},
		"none does": {200 * time.Millisecond, http.StatusServiceUnavailable,
			50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := DefaultSettings()
				s.Bulkhead = 1
				o := NewOrders(s, chargerFunc(
					func(context.Context, string, Charge) (Receipt, error) {
						time.Sleep(c.takes)
						return Receipt{}, nil
					}))
				var first sync.WaitGroup
				first.Go(func() { place(t, o, shop.SampleEmail) })
				synctest.Wait()
				status, took := place(t, o, shop.SampleEmail)
				if status != c.status || took != c.waited {
					t.Errorf("the second one: %d after %v, want %d after %v",
						status, took, c.status, c.waited)
				}
				first.Wait()
			})
		})
	}
}

// A charge is tried three times. The pauses grow, and nobody's are like another's.
func TestPausesBetweenTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var firsts, seconds []time.Duration
		for range 50 {
			var at []time.Time
			o := NewOrders(DefaultSettings(), chargerFunc(
				func(context.Context, string, Charge) (Receipt, error) {
					at = append(at, time.Now())
					return Receipt{}, ErrUnavailable
				}))
			place(t, o, shop.SampleEmail)
			if len(at) != DefaultSettings().Tries {
				t.Fatalf("%d tries, want %d", len(at), DefaultSettings().Tries)
			}
			firsts = append(firsts, at[1].Sub(at[0]))
			seconds = append(seconds, at[2].Sub(at[1]))
		}
		const ms = time.Millisecond
		for _, c := range []struct {
			name          string
			pauses        []time.Duration
			least, most   time.Duration
			below, beyond time.Duration // some must be
		}{
			{"first", firsts, 25 * ms, 75 * ms, 40 * ms, 60 * ms},
			{"second", seconds, 50 * ms, 150 * ms, 80 * ms, 120 * ms},
		} {
			low, high := slices.Min(c.pauses), slices.Max(c.pauses)
			if low < c.least || high > c.most {
				t.Errorf("the %s pauses are %v to %v, want %v to %v",
					c.name, low, high, c.least, c.most)
			}
			if low > c.below || high < c.beyond {
				t.Errorf("the %s pauses are all alike: %v to %v", c.name, low, high)
			}
		}
	})
}

// Everybody's first try fails in the same instant. Of a hundred customers about a
// fifth may try again, whatever the others would like; three always may.
func TestBudgetBoundsTheRetries(t *testing.T) {
	t.Parallel()
	for customers, want := range map[int]struct{ least, most int64 }{
		3: {3, 3}, 100: {20, 30},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := DefaultSettings()
			s.Deadline = time.Minute
			policies := DefaultPolicies(s)
			policies.bulkhead, policies.breaker, policies.timeout = nil, nil, nil
			var calls atomic.Int64
			end := make(chan struct{})
			o := &Orders{deadline: s.Deadline, around: policies.compose(),
				payment: chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
					if calls.Add(1) <= int64(customers) {
						time.Sleep(100 * time.Millisecond)
						return Receipt{}, ErrUnavailable
					}
					<-end // a try that is under way is what the budget counts
					return Receipt{}, nil
				})}
			var statuses tally
			var all sync.WaitGroup
			for range customers {
				all.Go(func() {
					status, _ := place(t, o, shop.SampleEmail)
					statuses.add(http.StatusText(status))
				})
			}
			time.Sleep(time.Second) // longer than the first pause
			again := calls.Load() - int64(customers)
			if again < want.least || again > want.most {
				t.Errorf("of %d customers %d try again, want %d to %d",
					customers, again, want.least, want.most)
			}
			close(end)
			all.Wait()
			refused := customers - int(again)
			if statuses.of("OK") != int(again) || statuses.of("Service Unavailable") != refused {
				t.Errorf("%d customers, %d tried again: %v", customers, again, statuses.taken)
			}
		})
	}
}

// A try that gets no answer is ended for payment, too, and the next one may.
func TestTimeoutEndsTheTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		var calls atomic.Int64
		var waited time.Duration
		o := NewOrders(s, chargerFunc(
			func(ctx context.Context, key string, c Charge) (Receipt, error) {
				if calls.Add(1) > 1 {
					return Receipt{}, nil
				}
				begun := time.Now()
				defer func() { waited = time.Since(begun) }()
				return hanging(ctx, key, c)
			}))
		status, took := place(t, o, shop.SampleEmail)
		if status != http.StatusOK || waited != s.TryTimeout || took > 2*s.TryTimeout {
			t.Errorf("status %d after %v, the first try had %v", status, took, waited)
		}
	})
}

// However many tries there are, the customer has an answer at the deadline.
func TestDeadlineIsKeptToTheInstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.Tries = 100
		status, took := place(t, NewOrders(s, chargerFunc(hanging)), shop.SampleEmail)
		if status != http.StatusGatewayTimeout || took != s.Deadline {
			t.Errorf("status %d after %v, want 504 after %v", status, took, s.Deadline)
		}
	})
}

// The key comes from the order alone: whoever repeats it after a restart has it.
func TestKeyIsThatOfTheOrder(t *testing.T) {
	t.Parallel()
	order := newOrder(t, shop.SampleEmail)
	first, charge := ChargeFor(order)
	again, _ := ChargeFor(order)
	other, _ := ChargeFor(newOrder(t, shop.SampleEmail))
	if first != again || first == other || charge.AmountCents != order.TotalCents() {
		t.Errorf("keys %q, %q and of another order %q; charge %+v", first, again, other, charge)
	}
}
