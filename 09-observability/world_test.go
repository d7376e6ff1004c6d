package observability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	// What lab test says of backends is for programs: these tests bring receivers of their own.
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") || name == seqVar {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	servicestest.Main(m)
}

// world is the application of this step with a real broker and a real receiver of its telemetry.
type world struct {
	t        testing.TB
	s        Settings
	receiver string // its URL, or empty
	shop     string // where the producer answers
	ends     []func()
	once     sync.Once

	mu      sync.Mutex
	handled map[string]int // messages whose work is done, by service
}

// newWorld starts nothing yet but the receiver, which is the test's own.
func newWorld(t testing.TB) *world {
	t.Helper()
	receiver := servicestest.Private(t, services.Jaeger, 1)[0].URL
	w := newUnseenWorld(t) // it ends before its receiver does
	w.receiver = receiver
	return w
}

// newUnseenWorld is for tests that do not look at telemetry. The broker is a part of the shared
// one.
func newUnseenWorld(t testing.TB) *world {
	t.Helper()
	s := DefaultSettings()
	s.URL = servicestest.RabbitMQ(t).URL
	s.Work, s.Pause, s.Flush = 5*time.Millisecond, time.Millisecond, 20*time.Second
	w := &world{t: t, s: s}
	// On a busy machine a quorum queue that has just been declared refuses the first messages.
	b := w.connect()
	on, err := connect(t.Context(), s, "test")
	must(t, err)
	for _, topic := range []string{OrdersTopic, EmailedTopic, PoisonTopic} {
		eventually(t, topic+" takes messages", func() bool {
			return b.publisher.Publish(topic, message.NewMessage("1", nil)) == nil
		})
		_, err := on.channel.QueuePurge(topic, false)
		must(t, err)
	}
	must(t, on.close())
	must(t, b.Close())
	t.Cleanup(w.end)
	return w
}

// sinks send to the receiver, as autoexport would with its address in the environment.
func (w *world) sinks() sinks {
	w.t.Helper()
	ctx := w.t.Context()
	if w.receiver == "" {
		return sinks{}
	}
	traces, err1 := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(w.receiver+"/v1/traces"))
	logs, err2 := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(w.receiver+"/v1/logs"))
	meters, err3 := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(w.receiver+"/v1/metrics"))
	must(w.t, errors.Join(err1, err2, err3))
	return sinks{[]sdktrace.SpanExporter{traces}, logs, sdkmetric.NewPeriodicReader(meters)}
}

func (w *world) telemetry(service, process string) *Telemetry {
	w.t.Helper()
	s := w.s
	s.Process = process
	t, err := newTelemetry(service, s, w.sinks())
	must(w.t, err)
	return t
}

func (w *world) connect() *Broker {
	w.t.Helper()
	b := Connect(w.s)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	must(w.t, b.publisher.untilConnected(ctx))
	return b
}

// produce starts a producer.
func (w *world) produce() *Telemetry {
	w.t.Helper()
	t, b := w.telemetry("producer", "producer"), w.connect()
	server := httptest.NewServer(NewProducer(b, t).Handler())
	w.shop = server.URL
	w.ends = append(w.ends, func() {
		server.Close()
		check(w.t, b.Close())
		t.Stop()
	})
	return t
}

// consume starts a consumer or a shipper.
func (w *world) consume(
	service, process string, router func(*Broker, *Telemetry, Settings) (*message.Router, error),
) *Telemetry {
	w.t.Helper()
	t, b := w.telemetry(service, process), w.connect()
	s := w.s
	s.Process = process
	if service == "shipper" {
		s.Workers = 8
	}
	running, err := router(b, t, s)
	must(w.t, err)
	running.AddMiddleware(w.counting(service))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, running) }()
	<-running.Running()
	eventually(w.t, "it consumes", func() bool { return b.subscriber.ready() == nil })
	w.ends = append(w.ends, func() {
		cancel()
		check(w.t, <-ended)
		check(w.t, b.Close())
		t.Stop()
	})
	return t
}

// end ends all processes, in the order of their start, as the lab does: what they had in their
// batches is at the receiver then.
func (w *world) end() {
	w.once.Do(func() {
		for _, end := range w.ends {
			end()
		}
	})
}

// order places one order, or what the query asks for, and returns the identities the shop gave.
func (w *world) order(query, body string) string {
	w.t.Helper()
	res, err := http.Post(w.shop+"/orders"+query, "application/json", strings.NewReader(body))
	must(w.t, err)
	defer res.Body.Close()
	var answer struct {
		ID    string `json:"order_id"`
		Error string
	}
	must(w.t, json.NewDecoder(res.Body).Decode(&answer))
	if res.StatusCode != http.StatusAccepted {
		w.t.Fatalf("%s: %s", res.Status, answer.Error)
	}
	return answer.ID
}

const bouncing = `{"user_email": "nobody@bounce.test",
	"items": [{"sku": "GO-GOPHER", "quantity": 1, "price_cents": 1999}]}`

// What the receiver's API answers, as far as the tests look at it.
type (
	seenTrace struct {
		Trace    string
		Orders   []string
		Services []string
		Whole    bool
		Rows     []seenSpan
	}
	seenSpan struct {
		ID, Parent, Name, Kind, Service, Instance, Status string
		Depth                                             int
		Failed                                            bool
		Attrs                                             []seenAttr
		Logs                                              []struct{ Text, Trace, Span string }
		Events                                            []struct{ Name string }
		Links                                             []struct{ Trace, Span string }
	}
	seenAttr struct{ Key, Value string }
)

func (s seenSpan) attr(key string) string {
	for _, a := range s.Attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func ask[T any](t testing.TB, url string) T {
	t.Helper()
	res, err := http.Get(url)
	must(t, err)
	defer res.Body.Close()
	var v T
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v in %.200q", url, err, raw)
	}
	return v
}

// traces returns the traces that a search finds, the newest first.
func (w *world) traces(query string) []seenTrace {
	w.t.Helper()
	var all []seenTrace
	for _, found := range ask[[]seenTrace](w.t, w.receiver+"/api/traces?q="+query) {
		all = append(all, ask[seenTrace](w.t, w.receiver+"/api/traces/"+found.Trace))
	}
	return all
}

func (w *world) figures() map[string]float64 {
	w.t.Helper()
	return ask[map[string]float64](w.t, w.receiver+"/api/figures")
}

// counting counts the messages whose work is done. It is the innermost middleware: the router
// takes them in the order in which they were added.
func (w *world) counting(service string) message.HandlerMiddleware {
	return func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			events, err := h(m)
			if err == nil {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.handled == nil {
					w.handled = map[string]int{}
				}
				w.handled[service]++
			}
			return events, err
		}
	}
}

// worked waits until the processes of a service have done the work for so many messages. That
// the queue is empty says less: what was taken out of it may still be in somebody's hand, and
// the event that follows from it in nobody's.
func (w *world) worked(service string, messages int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprint("work for ", messages, " messages by the ", service), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.handled[service] >= messages
	})
}

// metric is what the series of a metric add up to at the receiver, 0 when there are none.
func (w *world) metric(name string) (sum float64) {
	w.t.Helper()
	type metric struct {
		Name   string
		Series []struct{ Value float64 }
	}
	for _, m := range ask[[]metric](w.t, w.receiver+"/api/metrics") {
		for _, one := range m.Series {
			if m.Name == name {
				sum += one.Value
			}
		}
	}
	return sum
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// patience bounds every wait in the tests. None takes nearly as long.
const patience = 30 * time.Second

// eventually waits for something in the world outside of the test.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

func names(spans []seenSpan) string {
	var all []string
	for _, s := range spans {
		all = append(all, fmt.Sprintf("%*s%s %s", 2*s.Depth, "", s.Name, s.Kind))
	}
	return strings.Join(all, "\n")
}
