package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// What a test does not look at, nobody needs to read.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// log is what the program says, which can be read while it runs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan struct{} // has something after a line
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.line <- struct{}{}:
	default:
	}
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// find waits for a line, and returns what stands in the brackets of the pattern.
func (l *log) find(t *testing.T, pattern string) string {
	t.Helper()
	for {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(l.String()); found != nil {
			return found[1]
		}
		select {
		case <-l.line:
		case <-time.After(time.Hour): // of the bubble: at once, when nothing can come any more
			t.Fatalf("no line with %s in\n%s", pattern, l)
		}
	}
}

// The whole program, from the first request to the end of its drain, in one bubble.
// Its clock stands still while somebody listens on the network, so no order is done
// before SIGTERM, and what becomes of each is exact. Not parallel: the log and the
// arguments are the process's own.
func TestFromTheOrderToTheEndOfTheDrain(t *testing.T) {
	const tooLate = "given up: the time to drain was over"
	for _, c := range []struct {
		drain string
		takes time.Duration
		says  map[string]int // how many lines
	}{
		// Four orders of 2.5 s, by two workers; one of them bounces.
		{"6s", 5 * time.Second, map[string]int{
			"order accepted": 4, "order received": 4, "order processed": 3, "order failed": 1,
			"e-mail to nobody@bounce.test: the e-mail bounced": 1, "drained given_up=1": 1,
			"msg=queue depth=2": 2, // after one second and after two
		}},
		{"1500ms", 1500 * time.Millisecond, map[string]int{
			"order accepted": 4, "order received": 2, "order processed": 0, "order failed": 4,
			tooLate: 4, "drained given_up=4": 1, "msg=queue depth=2": 1,
		}},
	} {
		t.Run("drain "+c.drain, func(t *testing.T) {
			args, logger := os.Args, slog.Default()
			t.Cleanup(func() { os.Args = args; slog.SetDefault(logger) })
			os.Args = []string{"shop", "-addr", "127.0.0.1:0", "-workers", "2",
				"-work", "2500ms", "-drain", c.drain}
			synctest.Test(t, func(t *testing.T) {
				said := &log{line: make(chan struct{}, 1)}
				slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
				if took := placeAndStop(t, said); took != c.takes {
					t.Errorf("the drain took %v, want %v", took, c.takes)
				}
				for message, want := range c.says {
					if n := strings.Count(said.String(), message); n != want {
						t.Errorf("%d lines with %q, want %d, in\n%s", n, message, want, said)
					}
				}
			})
		})
	}
}

// placeAndStop runs the program, places orders, and says how long it took to end
// after SIGTERM.
func placeAndStop(t *testing.T, said *log) time.Duration {
	t.Helper()
	ctx, sigterm := context.WithCancel(t.Context())
	defer sigterm()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()

	url := said.find(t, `msg=listening url=(\S+)`)
	const bounces = `{"user_email": "nobody@bounce.test",
		"items": [{"sku": "A", "quantity": 1, "price_cents": 1}]}`
	for body, want := range map[string]int{
		"": http.StatusAccepted, bounces: http.StatusAccepted, "{}": http.StatusBadRequest,
	} {
		if status, answer := ask(t, http.MethodPost, url+"/orders", body); status != want {
			t.Errorf("answered %d, want %d: %s", status, want, answer)
		}
	}
	ask(t, http.MethodPost, url+"/orders?count=2", "")
	if _, health := ask(t, http.MethodGet, url+"/healthz", ""); !strings.Contains(health, `"workers":2`) {
		t.Errorf("healthz says %s", health)
	}
	began := time.Now()
	sigterm()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Hour): // of the bubble: at once, when nothing can come any more
		t.Fatalf("the program does not end; it said\n%s", said)
	}
	return time.Since(began)
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	// A transport of its own: no connection outlives the bubble.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// What cannot be served is an error, and the workers do not wait for orders.
func TestMistakesEndTheProgram(t *testing.T) {
	args := os.Args
	t.Cleanup(func() { os.Args = args })
	usage := new(shop.UsageError)
	os.Args = []string{"shop", "-queue", "0"}
	if err := run(t.Context()); !errors.As(err, &usage) {
		t.Errorf("a queue for nothing: %v", err)
	}
	os.Args = []string{"shop", "-addr", "nowhere:x"}
	if err := run(t.Context()); err == nil || errors.As(err, &usage) {
		t.Errorf("an address that is none: %v", err)
	}
}

// A request that is being read when SIGTERM comes is answered with no: a yes would be
// for an order whose workers may have ended.
func TestNobodyIsToldYesAfterSIGTERM(t *testing.T) {
	args, logger := os.Args, slog.Default()
	t.Cleanup(func() { os.Args = args; slog.SetDefault(logger) })
	os.Args = []string{"shop", "-addr", "127.0.0.1:0"}
	said := &log{line: make(chan struct{}, 1)}
	slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
	ctx, sigterm := context.WithCancel(t.Context())
	defer sigterm()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()

	conn, err := net.Dial("tcp", said.find(t, `msg=listening url=http://(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"+
		"Expect: 100-continue\r\nConnection: close\r\n\r\n")
	from := bufio.NewReader(conn)
	// The server asks for the body when the shop begins to read the order.
	if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q: %v", line, err)
	}
	sigterm()
	said.find(t, "msg=(drained)")
	fmt.Fprint(conn, "\n\n") // white space alone buys the sample
	answer, err := io.ReadAll(from)
	if err != nil || !strings.Contains(string(answer), "503 Service Unavailable") ||
		!strings.Contains(string(answer), "the shop is closing") {
		t.Errorf("answered %s: %v", answer, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
