package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mediator "course.example/03-mediator"
	"course.example/shop"
)

// What a test does not look at, nobody needs to read.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// quick is a shop whose handlers take no time.
func quick(variant string) mediator.Settings {
	s := mediator.DefaultSettings()
	s.Variant, s.Work, s.InventoryWork = variant, 0, 0
	return s
}

func open(t *testing.T, s mediator.Settings) http.Handler {
	t.Helper()
	h, err := newShop(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// order places an order of one customer, "" for the sample, and returns the answer.
func order(ctx context.Context, h http.Handler, email string) *httptest.ResponseRecorder {
	body := ""
	if email != "" {
		body = fmt.Sprintf(`{"user_email": %q, "items":
			[{"sku": "GO-GOPHER", "quantity": 1, "price_cents": 1999}]}`, email)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders",
		strings.NewReader(body)))
	return w
}

// stock is what GET /stock answers.
func stock(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet,
		"/stock/GO-GOPHER", nil))
	if w.Code != http.StatusOK {
		t.Errorf("GET /stock: %d", w.Code)
	}
	return strings.TrimSpace(w.Body.String())
}

const (
	untouched = `{"sku":"GO-GOPHER","left":1000000}`
	oneTaken  = `{"sku":"GO-GOPHER","left":999999}`
)

func TestTheWorkIsDoneBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[string]time.Duration{
		"sequence": 4 * time.Second, "parallel": 2 * time.Second,
	} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := quick("right")
				s.Strategy, s.Work, s.InventoryWork = strategy, 2*time.Second, 2*time.Second
				h := open(t, s)
				began := time.Now()
				answer := order(t.Context(), h, "")
				if took := time.Since(began); took != want || answer.Code != http.StatusOK {
					t.Errorf("answered %d after %v, want 200 after %v", answer.Code, took, want)
				}
				if left := stock(t, h); left != oneTaken {
					t.Error(left)
				}
			})
		})
	}
}

// A bounced e-mail and a mailer that panics are no reason not to sell, and a
// variant that thinks otherwise leaves the inventory untouched.
func TestAFailingEmail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variant, email string
		status         int
		stock          string
	}{
		{"right", "nobody@bounce.test", http.StatusOK, oneTaken},
		{"right", "nobody@crash.test", http.StatusOK, oneTaken},
		{"parallel", "nobody@bounce.test", http.StatusOK, oneTaken},
		{"parallel", "nobody@crash.test", http.StatusOK, oneTaken},
		{"stop-at-first-error", "nobody@bounce.test",
			http.StatusInternalServerError, untouched},
		{"stop-at-first-error", "nobody@crash.test",
			http.StatusInternalServerError, untouched},
	} {
		t.Run(c.variant+" "+c.email, func(t *testing.T) {
			t.Parallel()
			h := open(t, quick(c.variant))
			answer := order(t.Context(), h, c.email)
			if answer.Code != c.status {
				t.Errorf("answered %d, want %d: %s", answer.Code, c.status, answer.Body)
			}
			if left := stock(t, h); left != c.stock {
				t.Errorf("stock is %s, want %s", left, c.stock)
			}
		})
	}
}

// What the inventory fails at, the customer is told; and that the e-mail is sent
// by then is what this step has no remedy for.
func TestAFailingInventory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick("right")
		s.InventoryWork, s.Timeout = 5*time.Second, time.Second
		h := open(t, s)
		answer := order(t.Context(), h, shop.SampleEmail)
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(
			answer.Body.String(), "UpdateInventory: took longer than it may: 1s") {
			t.Errorf("answered %d: %s", answer.Code, answer.Body)
		}
		if left := stock(t, h); left != untouched {
			t.Error(left)
		}
		// Who does as told places another order, and gets another e-mail.
		if answer.Header().Get("Retry-After") == "" {
			t.Error("the customer is not told to come back")
		}
	})
}

func TestACustomerWhoHangsUpIsServedAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick("right")
		s.Work, s.InventoryWork = time.Second, time.Second
		h := open(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if answer := order(ctx, h, ""); answer.Code != http.StatusOK {
			t.Errorf("answered %d: %s", answer.Code, answer.Body)
		}
		if left := stock(t, h); left != oneTaken {
			t.Error(left)
		}
	})
}

var orderID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// What a handler could not do stands in the log, with the order: it is all that
// anybody has who must make it good. Not parallel: the log is the process's own.
func TestTheLogSaysWhatBecameOfTheOrder(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	for _, c := range []struct {
		variant, email string
		slow           time.Duration // the inventory
		want, never    string
	}{
		{
			"right", "nobody@bounce.test", 0,
			`msg="handler failed" order=ID handler=SendEmail ` +
				`reason="e-mail to nobody@bounce.test: the e-mail bounced"`,
			`msg="order failed"`,
		},
		{
			"right", shop.SampleEmail, 5 * time.Second,
			`msg="order failed" order=ID reason="UpdateInventory: ` +
				`took longer than it may: 1s: nothing was taken from the stock: ` +
				`context deadline exceeded" done=[SendEmail]`,
			`msg="order processed"`,
		},
		{
			"stop-at-first-error", "nobody@bounce.test", 0,
			`msg="order failed" order=ID reason="SendEmail: ` +
				`e-mail to nobody@bounce.test: the e-mail bounced; ` +
				`UpdateInventory: was not told" done=[]`,
			`msg="order processed"`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			s := quick(c.variant)
			s.InventoryWork, s.Timeout = c.slow, time.Second
			order(t.Context(), open(t, s), c.email)
			text := orderID.ReplaceAllString(log.String(), "ID")
			if !strings.Contains(text, c.want) || strings.Contains(text, c.never) {
				t.Errorf("%s, %s: want a line with\n%s\nand none with %s, got\n%s",
					c.variant, c.email, c.want, c.never, text)
			}
		})
	}
}

// There is nothing to add consumers to: a second process is a second shop, with
// handlers and a stock of its own.
func TestASecondProcessIsAnotherShop(t *testing.T) {
	t.Parallel()
	one, other := open(t, quick("right")), open(t, quick("right"))
	order(t.Context(), one, "")
	if left := stock(t, one); left != oneTaken {
		t.Error(left)
	}
	if left := stock(t, other); left != untouched {
		t.Errorf("the second process has heard of the first one's order: %s", left)
	}
}
