package order

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/timeout"
)

// place asks the order service for one order and returns the status and how long it
// took. In a synctest bubble that is exact.
func place(t *testing.T, o *Orders, email string) (status int, took time.Duration) {
	t.Helper()
	counter := shop.Counter{
		Place:  func(ctx context.Context, order shop.Order) error { return o.Place(ctx, order) },
		Status: http.StatusOK,
	}
	body := `{"user_email":"` + email + `","items":[{"sku":"A","quantity":1,"price_cents":1}]}`
	begun := time.Now()
	w := httptest.NewRecorder()
	counter.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(),
		http.MethodPost, "/orders", strings.NewReader(body)))
	return w.Code, time.Since(begun)
}

// What payment's answer means for the customer.
func TestAnswersToTheCustomer(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusOK:                  nil,
		http.StatusPaymentRequired:     ErrDeclined,
		http.StatusServiceUnavailable:  ErrUnavailable,
		http.StatusGatewayTimeout:      ErrUnknown,
		http.StatusInternalServerError: ErrInvalid,
	} {
		synctest.Test(t, func(t *testing.T) {
			o := NewOrders(DefaultSettings(), chargerFunc(
				func(context.Context, string, Charge) (Receipt, error) { return Receipt{}, err }))
			if status, _ := place(t, o, shop.SampleEmail); status != want {
				t.Errorf("%v: got %d, want %d", err, status, want)
			}
		})
	}
}

// Who may come back is told so, and when. After an outcome that nobody knows he is
// not: to order again could be to pay twice.
func TestRefusalsSayWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		unknown bool
		status  int
		again   bool
	}{
		{ErrDeclined, false, 402, false},
		{ErrInvalid, false, 500, false},
		{ErrUnavailable, false, 503, true},
		{circuitbreaker.ErrOpen, false, 503, true},
		{bulkhead.ErrFull, false, 503, true},
		{budget.ErrExceeded, false, 503, true},
		// The time was over before there was a connection.
		{timeout.ErrExceeded, false, 503, true},
		{context.DeadlineExceeded, false, 503, true},
		{ErrUnknown, true, 504, false},
		{timeout.ErrExceeded, true, 504, false},
		// The last try was refused, and one before it may have charged.
		{circuitbreaker.ErrOpen, true, 504, false},
		{ErrUnavailable, true, 504, false},
		// The last try has the answer that the first one did not get.
		{ErrDeclined, true, 402, false},
	} {
		counter := shop.Counter{Place: func(context.Context, shop.Order) error {
			return explain(fmt.Errorf("order: %w", c.err), c.unknown)
		}}
		w := httptest.NewRecorder()
		counter.Handler().ServeHTTP(w,
			httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", nil))
		if again := w.Header().Get("Retry-After") != ""; w.Code != c.status || again != c.again {
			t.Errorf("%v, unknown %t: %d, come back %t", c.err, c.unknown, w.Code, again)
		}
		if known := !strings.Contains(w.Body.String(), "outcome unknown"); known == (c.status == 504) {
			t.Errorf("%v, unknown %t: the customer reads %s", c.err, c.unknown, w.Body)
		}
	}
}

// A try of which nobody knows what came is asked about with the same key, and what
// payment answers then is the answer.
func TestUnknownIsAskedAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	for want, second := range map[int]error{200: nil, 402: ErrDeclined} {
		synctest.Test(t, func(t *testing.T) {
			var keys tally
			var calls atomic.Int64
			o := NewOrders(DefaultSettings(), chargerFunc(
				func(_ context.Context, key string, _ Charge) (Receipt, error) {
					keys.add(key)
					if calls.Add(1) == 1 {
						return Receipt{}, ErrUnknown
					}
					return Receipt{}, second
				}))
			if status, _ := place(t, o, shop.SampleEmail); status != want ||
				calls.Load() != 2 || len(keys.taken) != 1 {
				t.Errorf("%d after %d calls with keys %v", status, calls.Load(), keys.taken)
			}
		})
	}
}

// A payment service that hangs costs the customer the deadline and no more.
func TestDeadlineBoundsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		status, took := place(t, NewOrders(s, chargerFunc(hanging)), shop.SampleEmail)
		if status != http.StatusGatewayTimeout || took > s.Deadline || took < s.TryTimeout {
			t.Errorf("status %d after %v", status, took)
		}
	})
}

// One failure is tried again, with the same key and after a pause; what is declined
// is not.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first  error
		tries  int64
		status int
	}{
		"not now":  {ErrUnavailable, 2, 200},
		"declined": {ErrDeclined, 1, 402},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tries atomic.Int64
				var keys tally
				o := NewOrders(DefaultSettings(), chargerFunc(
					func(_ context.Context, key string, _ Charge) (Receipt, error) {
						keys.add(key)
						if tries.Add(1) == 1 {
							return Receipt{}, c.first
						}
						return Receipt{}, nil
					}))
				status, took := place(t, o, shop.SampleEmail)
				if status != c.status || tries.Load() != c.tries || len(keys.taken) != 1 {
					t.Errorf("status %d, %d tries, keys %v", status, tries.Load(), keys.taken)
				}
				if c.tries > 1 && took < 25*time.Millisecond {
					t.Errorf("tried again after %v", took)
				}
			})
		})
	}
}

// After enough failures nobody waits any more; once payment is well, the shop is.
func TestBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		var calls atomic.Int64
		o := NewOrders(DefaultSettings(), chargerFunc(
			func(ctx context.Context, _ string, _ Charge) (Receipt, error) {
				calls.Add(1)
				if well.Load() {
					return Receipt{}, nil
				}
				return hanging(ctx, "", Charge{})
			}))
		var customers sync.WaitGroup
		for range 12 {
			customers.Go(func() {
				// Their retries find the breaker open. What became of the first try
				// is unknown all the same, and they must hear so.
				status, _ := place(t, o, shop.SampleEmail)
				if status != http.StatusGatewayTimeout {
					t.Errorf("closed, and no answer came: %d", status)
				}
			})
		}
		customers.Wait()
		before := calls.Load()
		status, took := place(t, o, shop.SampleEmail)
		if status != http.StatusServiceUnavailable || took > 0 || calls.Load() != before {
			t.Errorf("open: status %d after %v, %d calls", status, took, calls.Load()-before)
		}
		well.Store(true)
		time.Sleep(time.Second) // more than the breaker's pause
		for range 3 {
			if status, _ := place(t, o, shop.SampleEmail); status != http.StatusOK {
				t.Errorf("half open and well: %d", status)
			}
		}
	})
}

// Declined cards say nothing against payment.
func TestBreakerIgnoresWhatIsNotPaymentsFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := NewOrders(DefaultSettings(), chargerFunc(
			func(context.Context, string, Charge) (Receipt, error) {
				return Receipt{}, ErrDeclined
			}))
		for i := range 50 {
			if status, _ := place(t, o, shop.SampleEmail); status != http.StatusPaymentRequired {
				t.Fatalf("order %d: %d", i, status)
			}
		}
	})
}

// More calls than the bulkhead holds are refused while the others go on.
func TestBulkhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.Bulkhead = 4
		var most, now atomic.Int64
		o := NewOrders(s, chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(200 * time.Millisecond)
			now.Add(-1)
			return Receipt{}, nil
		}))
		var statuses tally
		done := make(chan struct{})
		for range 10 {
			go func() {
				status, _ := place(t, o, shop.SampleEmail)
				statuses.add(http.StatusText(status))
				done <- struct{}{}
			}()
		}
		for range 10 {
			<-done
		}
		if statuses.of("OK") != 4 || statuses.of("Service Unavailable") != 6 || most.Load() != 4 {
			t.Errorf("%v, %d at a time", statuses.taken, most.Load())
		}
	})
}

// Each of these turns red when two neighbours in policies.go change places.
func TestOrderOfPolicies(t *testing.T) {
	t.Parallel()
	scenes := map[string]func(t *testing.T){
		"the pause before a retry holds no slot": pauseHoldsNoSlot,
		"that we are full opens no breaker":      fullOpensNoBreaker,
		"an answer that came too late opens it":  lateAnswersOpenBreaker,
	}
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, scene)
		})
	}
}

// One slot. While the first customer's order waits for its second try, another
// customer is served, at once.
func pauseHoldsNoSlot(t *testing.T) {
	s := DefaultSettings()
	s.Bulkhead = 1
	var tries atomic.Int64
	o := NewOrders(s, chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
		if tries.Add(1) == 1 {
			return Receipt{}, ErrUnavailable
		}
		return Receipt{}, nil
	}))
	first := make(chan int)
	go func() {
		status, _ := place(t, o, shop.SampleEmail)
		first <- status
	}()
	synctest.Wait() // the first try has failed
	if status, took := place(t, o, shop.SampleEmail); status != http.StatusOK || took > 0 {
		t.Errorf("during another one's pause: %d after %v", status, took)
	}
	if status := <-first; status != http.StatusOK {
		t.Errorf("after the pause: %d", status)
	}
}

// One slot, which is taken. Twenty customers find no place, and payment is well.
func fullOpensNoBreaker(t *testing.T) {
	s := DefaultSettings()
	s.Bulkhead = 1
	o := NewOrders(s, chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
		time.Sleep(200 * time.Millisecond)
		return Receipt{}, nil
	}))
	var statuses tally
	var customers sync.WaitGroup
	for range 21 {
		customers.Go(func() {
			status, _ := place(t, o, shop.SampleEmail)
			statuses.add(http.StatusText(status))
		})
	}
	customers.Wait()
	if statuses.of("OK") != 1 || statuses.of("Service Unavailable") != 20 {
		t.Fatalf("not the scene that was meant: %v", statuses.taken)
	}
	if status, _ := place(t, o, shop.SampleEmail); status != http.StatusOK {
		t.Errorf("payment is well and idle: %d", status)
	}
}

// Payment answers, and each time just when nobody waits any more.
func lateAnswersOpenBreaker(t *testing.T) {
	o := NewOrders(DefaultSettings(), chargerFunc(
		func(ctx context.Context, _ string, _ Charge) (Receipt, error) {
			<-ctx.Done()
			return Receipt{}, nil
		}))
	var customers sync.WaitGroup
	for range 12 {
		customers.Go(func() { place(t, o, shop.SampleEmail) })
	}
	customers.Wait()
	status, took := place(t, o, shop.SampleEmail)
	if status != http.StatusServiceUnavailable || took > 0 {
		t.Errorf("the next customer: %d after %v", status, took)
	}
}

// SIGTERM: the order in progress is ended, and those of the same request that have not
// begun are not begun. The customer is told how many were accepted.
func TestNoOrderBeginsAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, sigterm := context.WithCancel(t.Context())
	var calls atomic.Int64
	o := NewOrders(DefaultSettings(), chargerFunc(
		func(context.Context, string, Charge) (Receipt, error) {
			if calls.Add(1) == 3 {
				sigterm()
			}
			return Receipt{}, nil
		}))
	w := httptest.NewRecorder()
	counter := shop.Counter{Place: o.Until(ctx), AtOnce: 1}
	counter.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(),
		http.MethodPost, "/orders?count=100", nil))
	if w.Code != http.StatusServiceUnavailable || calls.Load() != 3 ||
		!strings.Contains(w.Body.String(), `"accepted":3`) ||
		!strings.Contains(w.Body.String(), "closing") {
		t.Errorf("%d after %d charges: %s", w.Code, calls.Load(), w.Body)
	}
}

func TestShed(t *testing.T) {
	t.Parallel()
	inProgress, finish := make(chan struct{}), make(chan struct{})
	shed := Shed(1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(inProgress)
			<-finish
		}
	}))
	ask := func(method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		shed.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		return w
	}
	first := make(chan int)
	go func() { first <- ask(http.MethodPost).Code }()
	<-inProgress
	if w := ask(http.MethodPost); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many got %d", w.Code)
	}
	if w := ask(http.MethodGet); w.Code != 200 {
		t.Errorf("the health of a full service: %d", w.Code)
	}
	close(finish)
	if code := <-first; code != 200 {
		t.Errorf("the one in progress got %d", code)
	}
	inProgress = make(chan struct{})
	if w := ask(http.MethodPost); w.Code != 200 {
		t.Errorf("the place is free again, and the next one got %d", w.Code)
	}
}

// Temporal coupling, measured. B is payment and A is the order service, both asked
// every 100 ms for a minute. While B is down, A is: its availability is at most
// B's. Single failures are another matter: those a retry buys back.
func TestAvailabilityOfAAndB(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		down  func(second float64, ask int) bool
		above bool // A may be above B
	}{
		"down 20 s of 60":       {func(s float64, _ int) bool { return s > 20 && s <= 40 }, false},
		"every tenth call":      {func(_ float64, n int) bool { return n%10 == 0 }, true},
		"down 1 s of 10":        {func(s float64, _ int) bool { return int(s)%10 == 5 }, false},
		"nothing is the matter": {func(float64, int) bool { return false }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun, calls := time.Now(), 0
				b := chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
					calls++
					if c.down(time.Since(begun).Seconds(), calls) {
						return Receipt{}, ErrUnavailable
					}
					return Receipt{}, nil
				})
				o := NewOrders(DefaultSettings(), b)
				var upA, upB, asked int
				for ; time.Since(begun) < time.Minute; asked++ {
					next := time.Now().Add(100 * time.Millisecond)
					if _, err := b(t.Context(), "", Charge{}); err == nil {
						upB++
					}
					if o.Place(t.Context(), newOrder(t, shop.SampleEmail)) == nil {
						upA++
					}
					time.Sleep(time.Until(next))
				}
				of := func(n int) float64 { return 100 * float64(n) / float64(asked) }
				t.Logf("A %.1f %%, B %.1f %%", of(upA), of(upB))
				if upA > upB && !c.above {
					t.Errorf("A was up %d times of %d, B %d", upA, asked, upB)
				}
				if c.above && upA < upB {
					t.Errorf("retries bought nothing back: A %d, B %d", upA, upB)
				}
			})
		})
	}
}
