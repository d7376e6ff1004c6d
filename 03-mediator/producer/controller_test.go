package producer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	mediator "course.example/03-mediator"
	"course.example/03-mediator/messages"
	"course.example/shop"
)

// What a test does not look at, nobody needs to read.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

type trace struct{}

// ask sends a request whose context says "trace".
func ask(t *testing.T, c Controller, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := context.WithValue(t.Context(), trace{}, "trace")
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, nil))
	return w
}

func TestStock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"there": {nil, http.StatusOK, `{"sku":"MUG-CHAN","left":7}`},
		"broken": {errors.New("the shelf is gone"), http.StatusInternalServerError,
			`{"error":"clerk: the shelf is gone"}`},
	} {
		m := mediator.New(mediator.Sequence, 0)
		err := mediator.Respond(m, "clerk",
			func(ctx context.Context, q messages.StockLevel) (messages.Stock, error) {
				if ctx.Value(trace{}) != "trace" {
					t.Error("the context of the request did not reach the clerk")
				}
				return messages.Stock{SKU: q.SKU, Left: 7}, c.err
			})
		if err != nil {
			t.Fatal(err)
		}
		sender, err := mediator.SenderOf[messages.StockLevel, messages.Stock](m)
		if err != nil {
			t.Fatal(err)
		}
		answer := ask(t, Controller{Stock: sender}, http.MethodGet, "/stock/MUG-CHAN")
		if answer.Code != c.status || strings.TrimSpace(answer.Body.String()) != c.body ||
			answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", name, answer.Code, answer.Header(), answer.Body)
		}
	}
}

// history notes the lines of an order, and whether each knows its context.
type history struct {
	mu    sync.Mutex
	lines []string
}

func (h *history) Enabled(context.Context, slog.Level) bool { return true }
func (h *history) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *history) WithGroup(string) slog.Handler            { return h }

func (h *history) Handle(ctx context.Context, record slog.Record) error {
	line := bytes.NewBufferString(record.Message)
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "attempt" || a.Key == "reason" || a.Key == "done" {
			line.WriteString(" " + a.String())
		}
		return true
	})
	if ctx.Value(trace{}) != "trace" {
		line.WriteString(" without its context")
	}
	h.note(line.String())
	return nil
}

func (h *history) note(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// The order of the lines is the order of what happens, and "accepted" comes last.
// Not parallel: the log is the process's own.
func TestWhatTheLogSaysOfAnOrder(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	broken := errors.New("broken")
	for _, c := range []struct {
		mail, stock error
		status      int
		want        []string
	}{
		{nil, nil, http.StatusOK, []string{
			"order received attempt=1", "mail", "stock", "order processed", "order accepted"}},
		{broken, nil, http.StatusOK, []string{
			"order received attempt=1", "mail", "stock", "order processed", "order accepted"}},
		{nil, broken, http.StatusInternalServerError, []string{
			"order received attempt=1", "mail", "stock",
			"order failed reason=stock: broken done=[mail]", "order not accepted"}},
	} {
		h := &history{}
		slog.SetDefault(slog.New(h))
		m := mediator.New(mediator.Sequence, 0)
		handler := func(name string, err error) mediator.Handler[*messages.NewOrder] {
			return func(ctx context.Context, e *messages.NewOrder) error {
				if ctx.Value(trace{}) != "trace" || e.Order.UserEmail != shop.SampleEmail {
					t.Errorf("%s was told of %+v", name, e)
				}
				h.note(name)
				return err
			}
		}
		mediator.Subscribe(m, "mail", mediator.BestEffort, handler("mail", c.mail))
		mediator.Subscribe(m, "stock", mediator.Essential, handler("stock", c.stock))
		answer := ask(t, Controller{NewOrders: mediator.PublisherOf[*messages.NewOrder](m)},
			http.MethodPost, "/orders")
		if answer.Code != c.status || !slices.Equal(h.lines, c.want) {
			t.Errorf("mail %v, stock %v: answered %d, and the log says\n%s",
				c.mail, c.stock, answer.Code, strings.Join(h.lines, "\n"))
		}
	}
}
