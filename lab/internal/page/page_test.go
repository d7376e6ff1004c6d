package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// fake is a run that notes what it is told.
type fake struct{ acts chan string }

func (f *fake) Look(context.Context) Look {
	return Look{Waits: 7, Processes: []Process{{Name: "shop", Kind: "shop", State: "up"}}}
}

func (f *fake) Do(_ context.Context, act string) (string, error) {
	if act == "dance" {
		return "", fmt.Errorf("%q is no act", act)
	}
	f.acts <- act
	return act, nil
}

func (f *fake) Try(_ context.Context, act string) (Outcome, error) {
	f.acts <- "try " + act
	return Outcome{Accepted: 100, Lost: 3}, nil
}

func (f *fake) History() history.Run {
	return history.Run{Step: "99-toy", Marks: []history.Mark{{Act: "kill shop", Fault: true}}}
}

// serve serves a page until the test ends.
func serve(t *testing.T) (*Page, *Server, *fake) {
	t.Helper()
	p, run := New(), &fake{make(chan string, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Listen(ctx, p, About{Name: "99-toy", Title: "A toy"}, run)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return p, s, run
}

func (s *Server) base() string { return "http://" + s.listener.Addr().String() }

// Who has the address may act; another site, another name of this machine and somebody without the
// token may not.
func TestWhoMayAct(t *testing.T) {
	t.Parallel()
	_, s, run := serve(t)
	for _, c := range []struct {
		name, path, body string
		change           func(*http.Request)
		status           int
		says             string
	}{
		{"the page", "/do", "kill shop", nil, 200, `"kill shop"`},
		{"a try", "/try", "kill shop", nil, 200, `"lost":3`},
		{"no act", "/do", "dance", nil, 422, `"dance" is no act`},
		{"no token", "/do", "kill shop",
			func(r *http.Request) { r.Header.Del(tokenHeader) }, 403, "by the address"},
		{"a wrong token", "/try", "kill shop",
			func(r *http.Request) { r.Header.Set(tokenHeader, "A") }, 403, "by the address"},
		{"another site", "/do", "kill shop",
			func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, ""},
		{"another origin", "/do", "kill shop",
			func(r *http.Request) { r.Header.Set("Origin", "http://localhost:8080") }, 403, ""},
		{"a name that leads here", "/do", "kill shop",
			func(r *http.Request) { r.Host = "evil.example:9000" }, 403, "this machine only"},
		{"too long", "/do", strings.Repeat("x", maxAct+1), nil, 422, "too large"},
		{"a question", "/about", "", func(r *http.Request) { r.Method = http.MethodGet }, 200,
			`"mayAct":true`},
		{"reading under another name", "/frames", "", func(r *http.Request) {
			r.Method, r.Host = http.MethodGet, "evil.example"
		}, 403, "this machine only"},
		{"without a token one may look", "/about", "", func(r *http.Request) {
			r.Method = http.MethodGet
			r.Header.Del(tokenHeader)
		}, 200, `"mayAct":false`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base()+c.path,
			strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(tokenHeader, s.token)
		if c.change != nil {
			c.change(r)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: %d %s, want %d %q", c.name, resp.StatusCode, body, c.status, c.says)
		}
	}
	close(run.acts)
	var told []string
	for act := range run.acts {
		told = append(told, act)
	}
	if got := strings.Join(told, ", "); got != "kill shop, try kill shop" {
		t.Errorf("the run was told %q", got)
	}
}

// Who looks is told of orders and marks. Nothing is gathered for nobody.
func TestFrames(t *testing.T) {
	t.Parallel()
	p, s, _ := serve(t)
	p.Event(ledger.Event{Kind: ledger.Accepted, Order: "before"}, ledger.Promise)
	resp, err := http.Get(s.base() + "/frames") //nolint:noctx // it ends with the server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() (f frame) {
		t.Helper()
		for lines.Scan() {
			if raw, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(raw), &f); err != nil {
					t.Fatal(err)
				}
				return f
			}
		}
		t.Fatal("there are no more frames")
		return f
	}
	first := next()
	if len(first.Steps) != 0 || len(first.Marks) != 1 || first.Waits != 7 {
		t.Errorf("at first: %+v", first)
	}
	p.Event(ledger.Event{Kind: ledger.Accepted, Order: "a", Process: "shop"}, ledger.Promise)
	for deadline := time.Now().Add(10 * time.Second); ; {
		f := next()
		if len(f.Steps) == 1 && f.Steps[0] == (step{"a", ledger.Accepted, ledger.Promise, "shop"}) {
			break
		}
		if len(f.Steps) > 0 || time.Now().After(deadline) {
			t.Fatalf("told of %+v", f.Steps)
		}
	}
}

// Of many orders some are shown, and of each all or nothing; of few, all are.
func TestSampling(t *testing.T) {
	t.Parallel()
	p := New()
	_, leave := p.join()
	defer leave()
	seen := map[string]int{}
	oneOf := 1
	for range 20 { // twenty ticks with 500 orders
		for i := range 1000 { // first all are received, and then all are done
			e, verdict := ledger.Event{Kind: ledger.Received, Process: "c"}, ledger.Delivery
			if i >= 500 {
				e.Kind, verdict = ledger.Processed, ledger.Effect
			}
			e.Order = fmt.Sprintf("order-%d", i%500)
			p.Event(e, verdict)
		}
		var steps []step
		steps, oneOf = p.take()
		if len(steps) > shown {
			t.Fatalf("%d steps in a tick, at most %d are shown", len(steps), shown)
		}
		clear(seen)
		for _, s := range steps {
			seen[s.Order]++
		}
		for order, n := range seen {
			if n != 2 {
				t.Errorf("%s was shown %d times, want all or nothing", order, n)
			}
		}
	}
	if oneOf < 16 {
		t.Errorf("one of %d is shown", oneOf)
	}
	for range 20 {
		_, oneOf = p.take()
	}
	if oneOf != 1 {
		t.Errorf("when nothing comes, one of %d is shown", oneOf)
	}
}

func TestHolding(t *testing.T) {
	t.Parallel()
	p := New()
	event := func(kind ledger.Kind, order, process string) {
		p.Event(ledger.Event{Kind: kind, Order: order, Process: process}, ledger.Unknown)
	}
	want := func(when string, one, two int) {
		t.Helper()
		if p.Holding("c-1") != one || p.Holding("c-2") != two {
			t.Errorf("%s: %d and %d, want %d and %d", when, p.Holding("c-1"), p.Holding("c-2"), one, two)
		}
	}
	event(ledger.Received, "a", "c-1")
	event(ledger.Received, "b", "c-1")
	event(ledger.Accepted, "b", "shop")
	want("two received", 2, 0)
	event(ledger.Processed, "a", "c-1")
	want("one done", 1, 0)
	event(ledger.Received, "b", "c-2")
	want("the other taken over", 0, 1)
	p.Gone("c-2")
	want("its process is gone", 0, 0)
	event(ledger.Processed, "b", "c-2") // a late line
	want("a late line", 0, 0)
}

// The picture has the last events, in order.
func TestRecent(t *testing.T) {
	t.Parallel()
	p := New()
	for i := range kept + 10 {
		p.Event(ledger.Event{Order: fmt.Sprint(i)}, ledger.Unknown)
	}
	all := p.recent()
	if len(all) != kept || all[0].Order != "10" || all[kept-1].Order != fmt.Sprint(kept+9) {
		t.Errorf("%d events from %s to %s", len(all), all[0].Order, all[len(all)-1].Order)
	}
}

// What the page costs for each event of an order, with somebody who looks: at 5,000 orders a second
// there are 15,000 to 20,000 events.
func BenchmarkEvent(b *testing.B) {
	p := New()
	_, leave := p.join()
	defer leave()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("01a22dee-5db7-795f-b279-%012d", i)
	}
	kinds := []ledger.Kind{ledger.Accepted, ledger.Received, ledger.Processed}
	for i := 0; b.Loop(); i++ {
		p.Event(ledger.Event{Kind: kinds[i%3], Order: ids[i/3%len(ids)], Process: "consumer-1"}, "processed")
		if i%2000 == 0 {
			p.take()
		}
	}
}
