//go:build exercise

package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bank is what takes the money.
type bank struct {
	charges atomic.Int64
	fail    atomic.Bool
	begun   chan struct{} // gets one for each charge, unless nil
	wait    chan struct{} // a charge lasts until it is closed, unless nil
}

func (b *bank) charge(ctx context.Context, request []byte) ([]byte, error) {
	if b.begun != nil {
		b.begun <- struct{}{}
	}
	if b.wait != nil {
		<-b.wait
	}
	if b.fail.Load() {
		return nil, errors.New("the bank is closed")
	}
	return fmt.Appendf(nil, "receipt %d for %s", b.charges.Add(1), request), nil
}

func TestOneAfterTheOther(t *testing.T) {
	type call struct {
		key, request string
		status       int
		receipt      string // nothing: whatever it is
	}
	cases := []struct {
		name    string
		calls   []call
		charges int64
	}{
		{"without a key", []call{{"", "a", 400, ""}}, 0},
		{"a new key", []call{{"k", "a", 200, "receipt 1 for a"}}, 1},
		{"the same again", []call{{"k", "a", 200, "receipt 1 for a"}, {"k", "a", 200, "receipt 1 for a"}}, 1},
		{"another request", []call{{"k", "a", 200, ""}, {"k", "b", 422, ""}}, 1},
		{"two keys", []call{{"k", "a", 200, ""}, {"l", "a", 200, "receipt 2 for a"}}, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := &bank{}
			handler := Handler(b.charge)
			for i, call := range c.calls {
				status, receipt := post(handler, call.key, call.request)
				if status != call.status || call.receipt != "" && receipt != call.receipt {
					t.Errorf("call %d is answered %d %q, want %d %q",
						i+1, status, receipt, call.status, call.receipt)
				}
			}
			if n := b.charges.Load(); n != c.charges {
				t.Errorf("charged %d times, want %d", n, c.charges)
			}
		})
	}
}

// What failed may be tried again, with the same key.
func TestAChargeThatFails(t *testing.T) {
	b := &bank{}
	handler := Handler(b.charge)
	b.fail.Store(true)
	if status, _ := post(handler, "k", "a"); status != http.StatusServiceUnavailable {
		t.Errorf("a charge that fails is answered %d, want 503", status)
	}
	b.fail.Store(false)
	if status, receipt := post(handler, "k", "a"); status != http.StatusOK {
		t.Errorf("the next try is answered %d %q, want 200", status, receipt)
	}
}

// A second call under the same key comes while the first is under way.
func TestBothAtOnce(t *testing.T) {
	b := &bank{begun: make(chan struct{}, 9), wait: make(chan struct{})}
	handler := Handler(b.charge)
	var group sync.WaitGroup
	call := func(key string) (answered chan struct{}) {
		answered = make(chan struct{})
		group.Go(func() { post(handler, key, "a"); close(answered) })
		return answered
	}
	begins(t, b, call("k"), "the first call is answered without a charge")
	select {
	case <-call("k"): // it is told to come back
	case <-b.begun:
		t.Error("while a charge is under way, another one under the same key begins")
	case <-time.After(time.Second): // it waits for the first
	}
	begins(t, b, call("another"), "another key is answered without a charge")
	close(b.wait)
	group.Wait()
	if n := b.charges.Load(); n != 2 {
		t.Errorf("two keys, of which one came twice, were charged %d times", n)
	}
}

// begins waits until a charge begins, and not forever: it may wait for another one.
func begins(t *testing.T, b *bank, answered <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-b.begun:
	case <-answered:
		t.Fatal(otherwise)
	case <-time.After(10 * time.Second):
		t.Fatal("a charge waits for one under another key")
	}
}

func post(handler http.Handler, key, request string) (status int, body string) {
	r := httptest.NewRequest(http.MethodPost, "/charges", strings.NewReader(request))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
