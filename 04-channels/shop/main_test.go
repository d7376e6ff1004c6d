package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
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
// before SIGTERM, and what becomes of each is exact.
func TestFromTheOrderToTheEndOfTheDrain(t *testing.T) {
	// Not parallel: the log and the arguments are the process's own.
	args, logger := os.Args, slog.Default()
	t.Cleanup(func() { os.Args = args; slog.SetDefault(logger) })
	os.Args = []string{"shop", "-addr", "127.0.0.1:0", "-workers", "2", "-work", "2s"}
	synctest.Test(t, func(t *testing.T) {
		said := &log{line: make(chan struct{}, 1)}
		slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
		ctx, sigterm := context.WithCancel(t.Context())
		defer sigterm()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()

		url := said.find(t, `msg=listening url=(\S+)`)
		for body, want := range map[string]int{
			"": http.StatusAccepted,
			`{"user_email": "nobody@bounce.test",
				"items": [{"sku": "A", "quantity": 1, "price_cents": 1}]}`: http.StatusAccepted,
			"{}": http.StatusBadRequest,
		} {
			if status, answer := ask(t, http.MethodPost, url+"/orders", body); status != want {
				t.Errorf("answered %d, want %d: %s", status, want, answer)
			}
		}
		if _, health := ask(t, http.MethodGet, url+"/healthz", ""); !strings.Contains(health, `"workers":2`) {
			t.Errorf("healthz says %s", health)
		}
		began := time.Now()
		sigterm()
		select {
		case err := <-ended:
			if took := time.Since(began); err != nil || took != 2*time.Second {
				t.Errorf("the drain took %v and ended with %v", took, err)
			}
		case <-time.After(time.Hour): // of the bubble: at once, when nothing can come any more
			t.Fatalf("the program does not end; it said\n%s", said)
		}
		for message, want := range map[string]int{
			"order accepted": 2, "order received": 2, "order processed": 1, "order failed": 1,
			"reason=.e-mail to nobody@bounce.test: the e-mail bounced": 1, "drained given_up=1": 1,
		} {
			if n := len(regexp.MustCompile(message).FindAllString(said.String(), -1)); n != want {
				t.Errorf("%d lines with %q, want %d, in\n%s", n, message, want, said)
			}
		}
	})
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
