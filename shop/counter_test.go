package shop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends one request to a counter and decodes the answer.
func ask(t *testing.T, c Counter, method, target, body string) (int, http.Header, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	c.Handler().ServeHTTP(w, r)
	var answer map[string]any
	if w.Header().Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s %s: %v in %q", method, target, err, w.Body)
		}
	}
	return w.Code, w.Header(), answer
}

type taken struct {
	mu     sync.Mutex
	orders []Order
}

func (k *taken) place(_ context.Context, o Order) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.orders = append(k.orders, o)
	return nil
}

func TestPlaceAnOrder(t *testing.T) {
	t.Parallel()
	const body = `{"user_email":"bob@example.com",
		"items":[{"sku":"A","quantity":3,"price_cents":500}]}`
	cases := []struct {
		name, body, email string
		status            int
	}{
		{"a sample", "", SampleEmail, http.StatusAccepted},
		{"a sample, done at once", " \n", SampleEmail, http.StatusOK},
		{"one's own", body, "bob@example.com", http.StatusAccepted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var k taken
			counter := Counter{Place: k.place}
			if c.status == http.StatusOK {
				counter.Status = http.StatusOK
			}
			status, _, answer := ask(t, counter, "POST", "/orders", c.body)
			if status != c.status || len(k.orders) != 1 {
				t.Fatalf("status %d, %d orders placed, answer %v", status, len(k.orders), answer)
			}
			o := k.orders[0]
			if o.ID != answer["order_id"] || o.UserEmail != c.email || o.PlacedAt.IsZero() {
				t.Errorf("placed %+v, answered %v", o, answer)
			}
			if err := o.Validate(); err != nil {
				t.Errorf("an invalid order was placed: %v", err)
			}
		})
	}
}

// Whatever is sent, the answer is a 4xx that says which field and why, and
// nothing is placed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	order := func(email, items string) string {
		return fmt.Sprintf(`{"user_email":%s,"items":%s}`, email, items)
	}
	const ok = `[{"sku":"A","quantity":1,"price_cents":1}]`
	cases := []struct {
		name, target, body string
		status             int
		want               string
	}{
		{"not JSON", "/orders", "hello", 400, "body: not JSON at byte 1"},
		{"half of it", "/orders", `{"user_email":`, 400, "body: not JSON"},
		{"a list", "/orders", `[]`, 400, "body: must be a JSON object, is array"},
		{"null", "/orders", `null`, 400, "user_email: is missing"},
		{"an empty object", "/orders", `{}`, 400, "user_email: is missing"},
		{"two objects", "/orders", order(`"a@b.c"`, ok) + `{}`, 400, "more follows"},
		{"a number for an address", "/orders", order(`7`, ok), 400,
			"user_email: must be a string, is number"},
		{"a bad address", "/orders", order(`"ada"`, ok), 400, `user_email: "ada" is not`},
		{"not UTF-8", "/orders", order("\"\xff\xfe@b.c\"", ok), 400, "user_email: "},
		{"no items", "/orders", order(`"a@b.c"`, `[]`), 400, "items: must hold 1 to 200"},
		{"text for a quantity", "/orders",
			order(`"a@b.c"`, `[{"sku":"A","quantity":"2","price_cents":1}]`), 400,
			"quantity: must be a whole number in range, is string"},
		{"half a piece", "/orders",
			order(`"a@b.c"`, `[{"sku":"A","quantity":1.5,"price_cents":1}]`), 400, "quantity"},
		{"a huge quantity", "/orders",
			order(`"a@b.c"`, `[{"sku":"A","quantity":1e99,"price_cents":1}]`), 400, "quantity"},
		{"quantity 0", "/orders",
			order(`"a@b.c"`, `[{"sku":"A","quantity":0,"price_cents":1}]`), 400,
			"items[0].quantity: must be 1 to 1000, is 0"},
		{"an unknown field", "/orders", `{"user_mail":"a@b.c"}`, 400,
			"user_mail: is not a field of an order"},
		{"an identity of one's own", "/orders", `{"order_id":"1"}`, 400, "order_id: is not"},
		{"count 0", "/orders?count=0", "", 400, "count: must be a whole number"},
		{"count -1", "/orders?count=-1", "", 400, "count: must be a whole number"},
		{"count 1e9", "/orders?count=1e9", "", 400, "count: must be a whole number"},
		{"count 1000000000", "/orders?count=1000000000", "", 400, "from 1 to 100000"},
		{"count of nothing", "/orders?count=", "", 400, "count: must be a whole number"},
		{"count of words", "/orders?count=" + strings.Repeat("x", 500), "", 400, `xxx..."`},
		{"a count that cannot be read", "/orders?count=%zz", "", 400, "query: cannot be read"},
		{"two things in one", "/orders?count=5;half=1", "", 400, "query: cannot be read"},
		{"a quantity of a thousand digits", "/orders",
			order(`"a@b.c"`, `[{"sku":"A","price_cents":1,"quantity":1`+
				strings.Repeat("0", 1000)+`}]`), 400, "quantity: must be a whole number"},
		{"10 MB", "/orders", `{"user_email":"` + strings.Repeat("a", 10<<20) + `"}`, 413,
			"larger than 65536 bytes"},
		{"10 MB of nothing", "/orders", strings.Repeat(" ", 10<<20), 413, "larger than"},
		{"10 MB after an order", "/orders",
			order(`"a@b.c"`, ok) + strings.Repeat(" ", 10<<20), 413, "larger than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var k taken
			status, _, answer := ask(t, Counter{Place: k.place}, "POST", c.target, c.body)
			text, _ := answer["error"].(string)
			if status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("status %d, error %q; want %d with %q", status, text, c.status, c.want)
			}
			if len(text) > 200 {
				t.Errorf("the answer repeats the input: %d bytes", len(text))
			}
			if len(k.orders) > 0 {
				t.Error("an order was placed all the same")
			}
		})
	}
}

func TestOtherRoutes(t *testing.T) {
	t.Parallel()
	var k taken
	for _, r := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/orders", http.StatusMethodNotAllowed},
		{"DELETE", "/orders", http.StatusMethodNotAllowed},
		{"POST", "/healthz", http.StatusMethodNotAllowed},
		{"POST", "/order", http.StatusNotFound},
	} {
		status, _, _ := ask(t, Counter{Place: k.place}, r.method, r.target, "")
		if status != r.status {
			t.Errorf("%s %s: got %d, want %d", r.method, r.target, status, r.status)
		}
	}
}

func TestWhenThereIsNoPlace(t *testing.T) {
	t.Parallel()
	broken := errors.New("the queue is gone")
	cases := []struct {
		name   string
		err    error
		status int
		after  string
	}{
		{"unavailable", Unavailable(broken, 1500*time.Millisecond), 503, "2"},
		{"unavailable for an instant", Unavailable(broken, 0), 503, "1"},
		{"unavailable, wrapped", fmt.Errorf("place: %w", Unavailable(broken, 3*time.Second)),
			503, "3"},
		{"too slow", fmt.Errorf("place: %w", context.DeadlineExceeded), 503, "1"},
		{"hung up", fmt.Errorf("place: %w", context.Canceled), 503, "1"},
		{"rejected", fmt.Errorf("place: %w", Rejected(broken, 402)), 402, ""},
		{"rejected for now", Unavailable(Rejected(broken, 504), time.Second), 504, "1"},
		{"anything else", broken, 500, ""},
	}
	for _, c := range cases {
		for _, target := range []string{"/orders", "/orders?count=3"} {
			t.Run(c.name+" "+target, func(t *testing.T) {
				t.Parallel()
				counter := Counter{Place: func(context.Context, Order) error { return c.err }}
				status, header, answer := ask(t, counter, "POST", target, "")
				if status != c.status || header.Get("Retry-After") != c.after {
					t.Errorf("status %d, Retry-After %q", status, header.Get("Retry-After"))
				}
				if answer["error"] != c.err.Error() {
					t.Errorf("answer %v", answer)
				}
			})
		}
	}
}

// Many orders of one request are placed at the same time, or a massive request
// to a slow broker would take forever; and not all at the same time, or it
// would take all the memory there is.
func TestMassiveRequest(t *testing.T) {
	t.Parallel()
	for at, takes := range map[int]time.Duration{0: 4 * time.Second, 100: 10 * time.Second} {
		t.Run(fmt.Sprintf("%d at once", at), func(t *testing.T) { massive(t, at, takes) })
	}
}

func massive(t *testing.T, at int, takes time.Duration) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		seen := sync.Map{}
		counter := Counter{AtOnce: at, Place: func(_ context.Context, o Order) error {
			if _, twice := seen.LoadOrStore(o.ID, true); twice {
				t.Errorf("identity %s was given twice", o.ID)
			}
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		}}
		begun := time.Now()
		status, _, answer := ask(t, counter, "POST", "/orders?count=1000", "")
		if status != 202 || answer["accepted"] != 1000.0 {
			t.Errorf("status %d, answer %v", status, answer)
		}
		if took := time.Since(begun); took != takes {
			t.Errorf("1000 orders of a second each, %d at once, took %v", at, took)
		}
		if most.Load() != int64(cmp.Or(at, atOnce)) {
			t.Errorf("%d at once", most.Load())
		}
	})
}

// Only a request whose orders were all accepted gets a 2xx; the answer says how
// many were.
func TestMassiveRequestThatFailsHalfway(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	full := errors.New("the queue is full")
	counter := Counter{Place: func(context.Context, Order) error {
		if n.Add(1) > 500 {
			return Unavailable(full, time.Second)
		}
		return nil
	}}
	status, _, answer := ask(t, counter, "POST", "/orders?count=10000", "")
	if status != 503 || answer["accepted"] != 500.0 || answer["error"] != full.Error() {
		t.Errorf("status %d, answer %v", status, answer)
	}
	if tried := n.Load(); tried > 500+atOnce {
		t.Errorf("went on to try %d orders after the first failure", tried-500)
	}
}

func TestCustomerWhoHangsUp(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	var n atomic.Int64
	counter := Counter{Place: func(ctx context.Context, _ Order) error {
		if n.Add(1) == 10 {
			hangUp()
		}
		return ctx.Err()
	}}
	w := httptest.NewRecorder()
	counter.Handler().ServeHTTP(w,
		httptest.NewRequestWithContext(ctx, "POST", "/orders?count=100000", nil))
	if tried := n.Load(); tried > 10+atOnce {
		t.Errorf("placed %d orders for nobody", tried-10)
	}
	if w.Code/100 == 2 {
		t.Errorf("status %d for a request that was given up", w.Code)
	}
}

// What ends one order of a massive request ends the rest: those in progress are told to
// leave it, and the customer hears of the first reason, not of theirs.
func TestAFailureEndsTheOthersOfItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		full := errors.New("the queue is full")
		counter := Counter{Place: func(ctx context.Context, _ Order) error {
			if n.Add(1) == 2 {
				time.Sleep(time.Second) // until the others are in progress
				return Unavailable(full, time.Second)
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		status, _, answer := ask(t, counter, "POST", "/orders?count=3", "")
		if status != 503 || answer["accepted"] != 0.0 || answer["requested"] != 3.0 ||
			answer["error"] != full.Error() {
			t.Errorf("status %d, answer %v", status, answer)
		}
	})
}

// The most that one may ask for is asked for: an order with as many items as there
// may be has room in a body, and counts are taken up to both of their bounds.
func TestTheLargestRequests(t *testing.T) {
	t.Parallel()
	item := fmt.Sprintf(`{"sku":%q,"quantity":1000,"price_cents":100000000}`,
		strings.Repeat("x", maxSKU))
	body := `{"user_email":"` + SampleEmail + `","items":[` +
		strings.Repeat(item+",", MaxItems-1) + item + `]}`
	var k taken
	counter := Counter{Place: k.place}
	if status, _, answer := ask(t, counter, "POST", "/orders", body); status != 202 ||
		len(k.orders[0].Items) != MaxItems {
		t.Errorf("status %d, answer %v", status, answer)
	}
	filled := body + strings.Repeat(" ", MaxBody-len(body))
	if status, _, answer := ask(t, counter, "POST", "/orders", filled); status != 202 {
		t.Errorf("a body of exactly %d bytes: status %d, answer %v", len(filled), status, answer)
	}
	if status, _, answer := ask(t, counter, "POST", "/orders", filled+" "); status != 413 {
		t.Errorf("one byte more: status %d, answer %v", status, answer)
	}
	for count, taken := range map[int]bool{1: true, MaxCount: true, MaxCount + 1: false} {
		r := httptest.NewRequestWithContext(t.Context(), "POST",
			fmt.Sprintf("/orders?count=%d", count), nil)
		if n, err := readCount(r); (err == nil) != taken || taken && n != count {
			t.Errorf("count %d became %d, %v", count, n, err)
		}
	}
	if _, _, answer := ask(t, counter, "POST", "/orders?count=1", ""); answer["order_id"] == nil {
		t.Errorf("count 1 is one order with an identity: %v", answer)
	}
}

// What the request's context says, such as an identity for the log, reaches the step.
func TestTheContextOfTheRequestIsHandedOn(t *testing.T) {
	t.Parallel()
	type key struct{}
	var reached atomic.Int64
	check := func(ctx context.Context) {
		if ctx.Value(key{}) == "trace" {
			reached.Add(1)
		}
	}
	counter := Counter{
		Place:   func(ctx context.Context, _ Order) error { check(ctx); return nil },
		Ready:   func(ctx context.Context) error { check(ctx); return nil },
		Details: func(ctx context.Context) map[string]any { check(ctx); return nil },
	}
	ctx := context.WithValue(t.Context(), key{}, "trace")
	for _, request := range []string{"POST /orders", "POST /orders?count=2", "GET /healthz"} {
		method, target, _ := strings.Cut(request, " ")
		counter.Handler().ServeHTTP(httptest.NewRecorder(),
			httptest.NewRequestWithContext(ctx, method, target, nil))
	}
	if reached.Load() != 5 {
		t.Errorf("reached %d of 5 calls", reached.Load())
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	status, _, answer := ask(t, Counter{}, "GET", "/healthz", "")
	if status != 200 || answer["status"] != "ready" {
		t.Errorf("status %d, answer %v", status, answer)
	}
	sick := Counter{Ready: func(context.Context) error { return errors.New("no broker") }}
	status, header, answer := ask(t, sick, "GET", "/healthz", "")
	if status != 503 || answer["reason"] != "no broker" || header.Get("Retry-After") == "" {
		t.Errorf("status %d, answer %v", status, answer)
	}
}

// Who has just refused an order is not ready, until it has taken one or some time has
// passed. What a customer did wrong says nothing about the shop.
func TestHealthAfterARefusal(t *testing.T) {
	t.Parallel()
	hangUp, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		err    error
		ctx    context.Context
		status int
	}{
		"taken":        {nil, t.Context(), 200},
		"unavailable":  {Unavailable(errors.New("full"), time.Second), t.Context(), 503},
		"unknown":      {Rejected(errors.New("no answer"), 504), t.Context(), 503},
		"lost":         {errors.New("disk broken"), t.Context(), 503},
		"bad order":    {Rejected(errors.New("cannot be stored"), 422), t.Context(), 200},
		"no money":     {Rejected(errors.New("declined"), 402), t.Context(), 200},
		"has hung up":  {context.Canceled, hangUp, 200},
		"hung up late": {Unavailable(context.Canceled, time.Second), hangUp, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer := c.err
				h := Counter{Place: func(context.Context, Order) error { return answer }}.Handler()
				do := func(ctx context.Context, method, path string) int {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, nil))
					return w.Code
				}
				health := func(when string, want int) {
					t.Helper()
					if got := do(context.WithoutCancel(c.ctx), "GET", "/healthz"); got != want {
						t.Errorf("%s: %d, want %d", when, got, want)
					}
				}
				do(c.ctx, "POST", "/orders")
				health("at once", c.status)
				time.Sleep(fresh + time.Millisecond)
				health("later", 200)
				do(c.ctx, "POST", "/orders?count=3")
				health("after many", c.status)
				answer = nil
				do(context.WithoutCancel(c.ctx), "POST", "/orders")
				health("after an order that was taken", 200)
			})
		})
	}
}

// What a step has to tell of itself is told whether it is ready or not.
func TestHealthDetails(t *testing.T) {
	t.Parallel()
	ready := errors.New("the queue is closed")
	counter := Counter{
		Ready:   func(context.Context) error { return ready },
		Details: func(context.Context) map[string]any { return map[string]any{"depth": 7} },
	}
	for _, want := range []int{503, 200} {
		status, _, answer := ask(t, counter, "GET", "/healthz", "")
		details, _ := answer["details"].(map[string]any)
		if status != want || details["depth"] != 7.0 {
			t.Errorf("status %d, answer %v; want %d and a depth of 7", status, answer, want)
		}
		ready = nil
	}
	if _, _, answer := ask(t, Counter{}, "GET", "/healthz", ""); len(answer) != 1 {
		t.Errorf("nothing to tell, and yet %v", answer)
	}
}

func FuzzReadOrder(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"user_email":"a@b.c","items":[{"sku":"A","quantity":1,"price_cents":1}]}`,
		`{"items":[{"quantity":1e400}]}`, "[[[[[[", `{"user_email":"\ud800"}`, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/orders", strings.NewReader(body))
		order, err := readOrder(httptest.NewRecorder(), r)
		if err == nil && order.Validate() != nil {
			t.Errorf("%q gave an invalid order %+v", body, order)
		}
	})
}
