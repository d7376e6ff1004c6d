package channels

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"course.example/shop"
)

// What the log says of an order is what a test, like the lab, goes by.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(&lines))
	os.Exit(m.Run())
}

// lines is all that was logged of orders, and of queues. Every test has orders of
// its own, so that tests in parallel do not get in each other's way.
var lines recorder

type recorder struct {
	mu     sync.Mutex
	all    []slog.Record // of orders
	queues []slog.Record // the lines with the depth
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

// trace is the key of what a test lets its context say; the line says it, too.
type trace struct{}

func (r *recorder) Handle(ctx context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := ctx.Value(trace{}).(string); ok {
		record.AddAttrs(slog.String("trace", id))
	}
	switch {
	case attr(record, "order") != "" || attr(record, "trace") != "":
		r.all = append(r.all, record)
	case record.Message == "queue":
		r.queues = append(r.queues, record)
	}
	return nil
}

// queue is what the log said of the queue of that capacity, line by line.
func (r *recorder) queue(capacity int) []slog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []slog.Record
	for _, record := range r.queues {
		if attr(record, "capacity") == strconv.Itoa(capacity) {
			all = append(all, record)
		}
	}
	return all
}

func attr(record slog.Record, key string) string {
	value := ""
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			value = a.Value.String()
		}
		return value == ""
	})
	return value
}

// of returns the messages about one order, and the reason of the last that has
// one.
func (r *recorder) of(id string) (messages []string, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.all {
		if attr(record, "order") == id {
			messages = append(messages, record.Message)
			reason = attr(record, "reason")
		}
	}
	return messages, reason
}

// attr is what the line with that message about one order says under a key.
func (r *recorder) attr(id, message, key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.all {
		if record.Message == message && attr(record, "order") == id {
			return attr(record, key)
		}
	}
	return ""
}

// drained is how many orders were given up, as the last line under that trace says.
func (r *recorder) drained(trace string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.all {
		if record.Message == "drained" && attr(record, "trace") == trace {
			return attr(record, "given_up")
		}
	}
	return ""
}

// count is how many of the orders have a line with that message.
func (r *recorder) count(message string, ids []string) int {
	n := 0
	for _, id := range ids {
		if messages, _ := r.of(id); slices.Contains(messages, message) {
			n++
		}
	}
	return n
}

func newOrder(t testing.TB) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// fill puts n orders on the queue and returns their identities.
func fill(t testing.TB, q Queue, n int) []string {
	t.Helper()
	var ids []string
	for range n {
		order := newOrder(t)
		if err := q.Put(order); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, order.ID)
	}
	return ids
}

// settings are the default ones with a queue and workers for the test.
func settings(queue, workers int) Settings {
	s := DefaultSettings()
	s.Queue, s.Workers = queue, workers
	return s
}
