package limits

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// network brings requests to a handler without a socket, so that the bubble's clock
// goes on. Each takes a millisecond.
type network struct{ to http.Handler }

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(time.Millisecond) // the bubble's clock
	r.RemoteAddr = "192.0.2.1:4711"
	w := httptest.NewRecorder()
	n.to.ServeHTTP(w, r)
	return w.Result(), nil
}

var ok = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

type fixedAnswer Answer

func (a fixedAnswer) Take(context.Context, string) Answer { return Answer(a) }

func TestHandler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer     Answer
		url, key   string
		status     int
		retryAfter string
	}{
		"passes":               {Answer{}, "/orders", "ada", 200, ""},
		"too many":             {Answer{Wait: time.Second}, "/orders", "ada", 429, "1"},
		"rounded up":           {Answer{Wait: 1001 * time.Millisecond}, "/orders", "ada", 429, "2"},
		"never 0":              {Answer{Wait: 1}, "/orders", "", 429, "1"},
		"nobody counts":        {Answer{Wait: time.Second, Away: true}, "/orders", "ada", 503, "1"},
		"long key":             {Answer{}, "/orders", strings.Repeat("a", 99), 400, ""},
		"a hundred in a query": {Answer{}, "/orders?count=100", "ada", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, c.url, nil)
			r.Header.Set(KeyHeader, c.key)
			w := httptest.NewRecorder()
			Handler(fixedAnswer(c.answer), ok).ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Retry-After") != c.retryAfter {
				t.Errorf("%d, Retry-After %q; want %d, %q",
					w.Code, w.Header().Get("Retry-After"), c.status, c.retryAfter)
			}
		})
	}
}

// A place is given back when the request has ended, also by a panic.
func TestHandlerGivesPlacesBack(t *testing.T) {
	t.Parallel()
	limit := newPerCustomer(t, 10, func() Limit { return NewConcurrent(1) })
	handler := Handler(limit, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if limit.Take(t.Context(), "ip:192.0.2.1").Wait == 0 {
			t.Error("a second one passed while the first was in progress")
		}
		panic(http.ErrAbortHandler)
	}))
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the request did not get to the handler: its place was not given back")
				}
			}()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/orders", nil))
		}()
	}
}

// orders lets 20 customers with one key order at once from a shop that lets 10 a
// second pass, and returns how many requests that took.
func orders(t *testing.T, pause func(time.Duration) time.Duration) (requests int64) {
	limiter := newPerCustomer(t, 10, func() Limit { return NewSliding(10, time.Second) })
	client := Client{&http.Client{Transport: network{Handler(limiter, ok)}}, pause}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sum atomic.Int64
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			status, tries, err := client.Post(ctx, "http://shop/orders", "{}")
			if status != http.StatusOK || err != nil {
				t.Errorf("status %d, %v", status, err)
			}
			sum.Add(int64(tries))
		})
	}
	group.Wait()
	return sum.Load()
}

func TestPatientClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if n := orders(t, Patient); n != 30 {
			t.Errorf("20 orders took %d requests, want 30: ten came again, and once", n)
		}
	})
}

func TestHastyClientSendsMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if n := orders(t, Hasty); n < 1000 {
			t.Errorf("20 orders took %d requests: the hasty client is not wrong", n)
		}
	})
}

// Who is refused forever gives up when its time ends.
func TestClientGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := Client{&http.Client{
			Transport: network{Handler(fixedAnswer{Wait: time.Second}, ok)}}, Patient}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		status, tries, err := client.Post(ctx, "http://shop/orders", "{}")
		if !errors.Is(err, context.DeadlineExceeded) || tries < 6 || tries > 11 {
			t.Errorf("status %d after %d tries, %v", status, tries, err)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{
		{"-variant", "write"}, {"-limit", "none"}, {"-away", "gone"}, {"-n", "0"}, {"-burst", "-1"},
		{"-redis-timeout", "0s"}, {"-shop", "nowhere"}, {"-shop", ":"},
	} {
		if s, err := ParseSettings(bad); err == nil {
			t.Errorf("%v is taken for %+v", bad, s)
		}
	}
	for _, name := range limitNames {
		s, err := ParseSettings([]string{"-limit", name, "-redis", "redis://127.0.0.1:6379/0"})
		if err != nil {
			t.Fatal(err)
		}
		if _, end, err := s.Limiter(); err != nil || end() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := ParseSettings([]string{"-redis", "nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Limiter(); err == nil {
		t.Error("an address of Redis that is none is no error")
	}
}
