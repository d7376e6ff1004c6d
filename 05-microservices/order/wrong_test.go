package order

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// Each of these runs the same scene twice: the wrong variant must fail in just the
// way its comment says, and the right one must not. Time is synctest's: what waits,
// waits exactly.

// bothWays runs a scene for a wrong variant and for the right one.
func bothWays(t *testing.T, wrong string, scene func(t *testing.T, s Settings, red bool)) {
	t.Helper()
	t.Parallel()
	for variant, red := range map[string]bool{wrong: true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := DefaultSettings()
				s.Variant = variant
				scene(t, s, red)
			})
		})
	}
}

// Payment hangs, and the customers leave after five seconds. Later payment is well
// again for every new call. Is the order service?
func TestWrongNoTimeoutPilesUp(t *testing.T) {
	bothWays(t, "no-timeout", func(t *testing.T, s Settings, red bool) {
		var well atomic.Bool
		end := make(chan struct{})
		var held atomic.Int64
		o := NewOrders(s, chargerFunc(
			func(ctx context.Context, _ string, _ Charge) (Receipt, error) {
				if well.Load() {
					return Receipt{}, nil
				}
				held.Add(1)
				defer held.Add(-1)
				select {
				case <-end:
					return Receipt{}, nil
				case <-ctx.Done():
					return Receipt{}, ctx.Err()
				}
			}))
		door := Shed(s.InFlight, shop.Counter{Place: o.Place, Status: http.StatusOK}.Handler())
		ask := func() int {
			ctx, leave := context.WithTimeout(t.Context(), 5*time.Second)
			defer leave()
			w := httptest.NewRecorder()
			door.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders", nil))
			return w.Code
		}
		var customers sync.WaitGroup
		for range 200 {
			customers.Go(func() { ask() })
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := held.Load(); (n == int64(s.InFlight)) != red || !red && n > 0 {
			t.Errorf("a minute after the last customer came, %d orders are in flight", n)
		}
		well.Store(true)
		if status := ask(); (status == http.StatusOK) == red {
			t.Errorf("payment is well again, and a new order gets %d", status)
		}
		close(end)
		customers.Wait()
	})
}

// The answer to the first try comes too late, after the money was taken.
func TestWrongRetryWithoutKeyChargesTwice(t *testing.T) {
	bothWays(t, "retry-without-key", func(t *testing.T, s Settings, red bool) {
		var money tally
		var calls atomic.Int64
		o := NewOrders(s, chargerFunc(
			func(ctx context.Context, key string, c Charge) (Receipt, error) {
				if key == "" || money.of(key) == 0 {
					money.add(c.OrderID)
					money.add(key)
				}
				if calls.Add(1) == 1 {
					return hanging(ctx, key, c)
				}
				return Receipt{}, nil
			}))
		order := newOrder(t, shop.SampleEmail)
		if err := o.Place(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		if n := money.of(order.ID); (n == 2) != red || !red && n != 1 {
			t.Errorf("charged %d times", n)
		}
	})
}

// Payment fails nine times of ten. How often is it asked for each customer?
func TestWrongRetryStormMultipliesTheLoad(t *testing.T) {
	bothWays(t, "retry-storm", func(t *testing.T, s Settings, red bool) {
		const customers = 500
		var calls atomic.Int64
		o := NewOrders(s, chargerFunc(
			func(context.Context, string, Charge) (Receipt, error) {
				n := calls.Add(1)
				time.Sleep(10 * time.Millisecond)
				if n%10 != 0 {
					return Receipt{}, ErrUnavailable
				}
				return Receipt{}, nil
			}))
		var all sync.WaitGroup
		for range customers {
			all.Go(func() { place(t, o, shop.SampleEmail) })
			time.Sleep(5 * time.Millisecond)
		}
		all.Wait()
		factor := float64(calls.Load()) / customers
		t.Logf("%.2f calls for each customer", factor)
		if (factor > 5) != red || !red && factor > 1.5 {
			t.Errorf("%.2f calls for each customer", factor)
		}
	})
}

// Payment hangs. How long does a customer wait who comes ten seconds later?
func TestWrongNoBreakerLetsEverybodyWait(t *testing.T) {
	bothWays(t, "no-breaker", func(t *testing.T, s Settings, red bool) {
		o := NewOrders(s, chargerFunc(hanging))
		var mu sync.Mutex
		var slow, late int
		var all sync.WaitGroup
		for i := range 400 {
			all.Go(func() {
				status, took := place(t, o, shop.SampleEmail)
				if status == http.StatusOK {
					t.Error("payment hangs, and an order went through")
				}
				mu.Lock()
				defer mu.Unlock()
				if i >= 200 {
					late++
					if took >= s.TryTimeout {
						slow++
					}
				}
			})
			time.Sleep(50 * time.Millisecond)
		}
		all.Wait()
		t.Logf("%d of %d waited for at least a timeout", slow, late)
		if (slow == late) != red || !red && slow > late/3 {
			t.Errorf("%d of %d waited for at least a timeout", slow, late)
		}
	})
}
