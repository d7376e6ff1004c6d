package eventsourcing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/google/uuid"
)

// At most one of two decisions about the same state is appended; the other is made again.
func TestTwoDecidersAtOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	a, b := NewProducer(pool, s), NewProducer(pool, s)
	for range 10 {
		id := place(t, a, 1)[0]
		// Both have decided about the order as it was placed before one of them appends.
		var meeting, group sync.WaitGroup
		meeting.Add(2)
		refusals := make(chan error, 2)
		for p, c := range map[*Producer]Command{a: AddItems{oneMug}, b: CancelOrder{"no"}} {
			var once sync.Once
			p.append = func(ctx context.Context, e *entry) (Place, error) {
				once.Do(func() { meeting.Done(); meeting.Wait() })
				return p.group.append(ctx, e)
			}
			group.Go(func() {
				_, err := p.Execute(t.Context(), ask(t, id, c))
				refusals <- err
			})
		}
		group.Wait()
		a.append, b.append = a.group.append, b.group.append
		var no int
		for range 2 {
			if err := <-refusals; err != nil {
				no++
				if !strings.Contains(err.Error(), ErrCancelled.Error()) {
					t.Error(err)
				}
			}
		}
		events, err := a.load(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != 3-no {
			t.Errorf("%d events, and %d of 2 commands were refused", len(events), no)
		}
	}
	if n := a.retries.Load() + b.retries.Load(); n != 10 {
		t.Errorf("%d decisions were made again, want one each time", n)
	}
	if audit := audit(t, pool); audit.Violations+audit.Edited > 0 {
		t.Errorf("the audit: %+v", audit)
	}
}

// One customer's conflict, repetition or bad data is not the loss of those in the same batch.
func TestABatchIsNotLostByOneOfIt(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	taken := place(t, p, 1)[0]
	e := func(stream, command uuid.UUID) *entry {
		return &entry{stream: stream, command: command, done: make(chan appended, 1),
			events: []Event{placedNow(oneMug)}}
	}
	fresh := func() uuid.UUID { return uuid.MustParse(newOrder(t, shop.SampleEmail).ID) }
	batch := []*entry{e(fresh(), fresh()), e(taken, fresh()), e(fresh(), taken), e(fresh(), fresh())}
	p.writeBatch(batch)
	for i, want := range []error{nil, errConflict, errRepeated, nil} {
		if answer := receive(t, "answer", batch[i].done); answer.err != want ||
			(answer.place != Place{}) != (want == nil) {
			t.Errorf("%d: %+v, want %v", i, answer, want)
		}
	}
	if n := count(t, pool, `SELECT count(*) FROM events`); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// client sends requests to the API of a producer.
type client struct {
	t      testing.TB
	server *httptest.Server
}

func serve(t testing.TB, p *Producer) client {
	t.Helper()
	start(t, p.Run)
	eventually(t, "it is ready", func() bool { return p.Ready(t.Context()) == nil })
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	return client{t, server}
}

// do returns the status, the position and the body of an answer.
func (c client) do(method, path, key, body string) (int, string, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path,
		bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := c.server.Client().Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Position"), strings.TrimSpace(string(text))
}

func (c client) order(body string) (id, position string) {
	c.t.Helper()
	status, position, text := c.do("POST", "/orders", "", body)
	var answer struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 202 || position == "" {
		c.t.Fatalf("order: %d %q %s", status, position, text)
	}
	return answer.OrderID, position
}

func TestACommandThatComesTwiceIsDoneOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	c := serve(t, NewProducer(pool, s))
	const key = "0199d3a0-7c1e-7000-8000-00000000000"
	id, _ := c.order("")
	var first [3]string
	for range 3 {
		for i, command := range []struct{ path, body string }{
			{"/orders", ""},
			{"/orders/" + id + "/items", `{"items":[{"sku":"A","quantity":1,"price_cents":1}]}`},
			{"/orders/" + id + "/cancel", `{"reason":"no"}`},
		} {
			status, position, text := c.do("POST", command.path, fmt.Sprint(key, i), command.body)
			if first[i] == "" {
				first[i] = position
			}
			if status != 202 || position == "" || position != first[i] {
				t.Errorf("%s: %d at %s, want 202 at %s: %s", command.path, status, position,
					first[i], text)
			}
		}
	}
	if n := count(t, pool, `SELECT count(*) FROM events`); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
	// The same key, in another spelling, for something else.
	if status, _, text := c.do("POST", "/orders/"+id+"/cancel", "urn:uuid:"+key+"1", ""); status != 422 {
		t.Errorf("a key that is used for another command: %d %s", status, text)
	}
}

// The same command in many requests at a time: one event, and no answer that is wrong.
func TestACommandThatComesManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	c := serve(t, NewProducer(pool, s))
	id, _ := c.order("")
	key := newOrder(t, shop.SampleEmail).ID
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			status, _, text := c.do("POST", "/orders/"+strings.ToUpper(id)+"/cancel", key, `{}`)
			if status != 202 {
				t.Errorf("%d %s", status, text)
			}
		})
	}
	group.Wait()
	if n := count(t, pool, `SELECT count(*) FROM events`); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestReadingThePast(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	c := serve(t, NewProducer(pool, s))
	id, _ := c.order("")
	c.do("POST", "/orders/"+id+"/items", "", `{"items":[{"sku":"A","quantity":1,"price_cents":1}]}`)
	c.do("POST", "/orders/"+id+"/cancel", "", `{"reason":"too dear"}`)
	var history []Happened
	_, _, text := c.do("GET", "/orders/"+id+"/history", "", "")
	if err := json.Unmarshal([]byte(text), &history); err != nil || len(history) != 3 ||
		history[2].Event != "order-cancelled" {
		t.Fatalf("history %s: %v", text, err)
	}
	at := func(i int, d time.Duration) string {
		return "?at=" + history[i].RecordedAt.Add(d).Format("2006-01-02T15:04:05.999999Z07:00")
	}
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"":                              {200, `"version":3,"status":"cancelled"`},
		"?version=1":                    {200, `"version":1,"status":"placed"`},
		"?version=2":                    {200, `"sku":"A"`},
		"?version=99":                   {200, `"version":3`},
		at(2, 0):                        {200, `"reason":"too dear"`},
		at(2, -time.Microsecond):        {200, `"version":2`},
		at(0, 0):                        {200, `"version":1`},
		at(0, -time.Microsecond):        {404, "no such order at that time"},
		"?version=0":                    {400, "version"},
		"?at=yesterday":                 {400, "2026-11-28T10:00:00Z"},
		"?at=" + "2026-11-28&version=1": {400, "one of them"},
		"?%zz":                          {400, "query"},
	} {
		status, _, text := c.do("GET", "/orders/"+id+strings.ReplaceAll(query, "+", "%2B"), "", "")
		if status != want.status || !strings.Contains(text, want.says) {
			t.Errorf("%s: %d %s, want %d and %s", query, status, text, want.status, want.says)
		}
	}
}

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	c := serve(t, NewProducer(pool, s))
	id, _ := c.order("")
	other := newOrder(t, shop.SampleEmail).ID
	for _, b := range []struct {
		method, path, key, body string
		status                  int
		says                    string
	}{
		{"GET", "/orders/seven", "", "", 400, "is not a UUID"},
		{"GET", "/orders/" + other, "", "", 404, "no such order"},
		{"GET", "/orders/" + other + "/history", "", "", 404, "no such order"},
		{"POST", "/orders/" + other + "/cancel", "", "", 404, "no such order"},
		{"POST", "/orders/" + id + "/items", "", "", 400, "body"},
		{"POST", "/orders/" + id + "/items", "", `{"items":[]}`, 400, "items"},
		{"POST", "/orders/" + id + "/items", "", `{"things":[]}`, 400, "things"},
		{"POST", "/orders/" + id + "/cancel", "", `{"reason":"` + strings.Repeat("x", 300) + `"}`,
			400, "reason"},
		{"POST", "/orders/" + id + "/cancel", "", `{"reason":"\u0000"}`, 400, "reason"},
		{"POST", "/orders", "mine", "", 400, "Idempotency-Key"},
		{"POST", "/orders?count=2", id, "", 400, "count"},
		{"POST", "/orders", "", `{"user_email":"nobody"}`, 400, "user_email"},
		{"GET", "/stock?after=soon", "", "", 400, "741-12"},
		{"GET", "/customers/a%00b/orders", "", "", 400, "invalid byte"},
		{"DELETE", "/customers/a%00b", "", "", 400, "invalid byte"},
		{"DELETE", "/customers/nobody@example.com", "", "", 404, "no such customer"},
		{"POST", "/orders?count=0", "", "", 400, "count"},
		{"POST", "/orders?count=300", "", "", 202, `"accepted":300`},
	} {
		status, _, text := c.do(b.method, b.path, b.key, b.body)
		if status != b.status || !strings.Contains(text, b.says) {
			t.Errorf("%s %s: %d %s, want %d and %q", b.method, b.path, status, text, b.status, b.says)
		}
	}
}

// The answer to a command carries a position, and a query that brings it sees the command.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Wait = 50 * time.Millisecond
	hasty := serve(t, NewProducer(pool, s))
	_, position := hasty.order("")
	if status, _, text := hasty.do("GET", "/stock?after="+position, "", ""); status != 503 ||
		!strings.Contains(text, "not come so far") {
		t.Errorf("with nobody who projects: %d %s", status, text)
	}
	s.Wait = patience
	c := serve(t, NewProducer(pool, s))
	project(t, pool, s, "customers", "stock")
	for n := 2; n < 12; n++ {
		_, position := c.order(fmt.Sprintf(
			`{"user_email":"ada%d@example.com","items":[{"sku":"A","quantity":1,"price_cents":1}]}`, n))
		_, _, stock := c.do("GET", "/stock?after="+position, "", "")
		_, _, orders := c.do("GET", fmt.Sprintf("/customers/ada%d@example.com/orders?after=%s",
			n, position), "", "")
		if !strings.Contains(stock, fmt.Sprintf(`"A":%d`, n-1)) || !strings.Contains(orders, "placed") {
			t.Errorf("order %d at %s: %s, %s", n-1, position, stock, orders)
		}
	}
}

// What is sent and not answered has an outcome that nobody knows, and that is what is said.
func TestAnUnknownOutcomeIsCalledUnknown(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	var silence func()
	cut := s
	cut.Timeout = 300 * time.Millisecond
	cut.URL, silence = servicestest.Silenced(t, s.URL)
	p := NewProducer(newPool(t, cut), cut)
	place(t, p, 1)
	p.insert = func(ctx context.Context, r *rows) (map[[16]byte]Place, error) {
		silence()
		return insert(ctx, p.pool, r)
	}
	r := ask(t, uuid.MustParse(newOrder(t, shop.SampleEmail).ID), PlaceOrder{newOrder(t, shop.SampleEmail)})
	r.fresh = true
	_, err := p.Execute(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "send it again with the same Idempotency-Key") {
		t.Fatalf("said %v", err)
	}
	// It has happened, and to send it again does no harm.
	eventually(t, "the event is there", func() bool {
		return count(t, pool, `SELECT count(*) FROM events WHERE command = $1`, r.id) == 1
	})
	done, err := NewProducer(pool, s).Execute(t.Context(), r)
	if err != nil || !done.Repeated || done.Version != 1 {
		t.Errorf("sent again: %+v, %v", done, err)
	}
}
