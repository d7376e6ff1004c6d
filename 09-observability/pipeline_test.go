package observability

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// What these tests look at needs neither a broker nor a backend.

// kept is a backend that keeps the spans it was sent, or hangs.
type kept struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	hangs chan struct{} // until it is closed, or nil
}

func (k *kept) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	if k.hangs != nil {
		<-k.hangs
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return nil
}

func (*kept) Shutdown(context.Context) error { return nil }

func (k *kept) has(span string) bool { return k.find(span) != nil }

func (k *kept) find(span string) sdktrace.ReadOnlySpan {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.spans {
		if s.Name() == span {
			return s
		}
	}
	return nil
}

// onPaper is telemetry whose spans are kept here.
func onPaper(t *testing.T, s Settings) (*Telemetry, *kept) {
	t.Helper()
	to := new(kept)
	tel, err := newTelemetry("test", s, sinks{traces: []sdktrace.SpanExporter{to}})
	must(t, err)
	return tel, to
}

// caught keeps what is published, or refuses it.
type caught struct {
	err error
	all []*message.Message
}

func (c *caught) Publish(_ string, messages ...*message.Message) error {
	c.all = append(c.all, messages...)
	return c.err
}

func (*caught) Close() error { return nil }

// What crosses the queue are bytes and headers. The trace must be in the headers, and the other
// side must take it from there.
func TestTheTraceCrossesTheQueue(t *testing.T) {
	t.Parallel()
	tel, to := onPaper(t, DefaultSettings())
	wire := new(caught)
	m := message.NewMessage("1", nil)
	must(t, tel.Publisher(wire).Publish(OrdersTopic, m))
	arrived := message.NewMessage("1", nil)
	arrived.Metadata = wire.all[0].Metadata
	_, err := tel.receive(OrdersTopic)(message.PassthroughHandler)(arrived)
	must(t, err)
	tel.Stop()
	sent, received := to.find("publish orders"), to.find("receive orders")
	if sent == nil || received == nil {
		t.Fatal("a span is missing")
	}
	if received.SpanContext().TraceID() != sent.SpanContext().TraceID() ||
		received.Parent().SpanID() != sent.SpanContext().SpanID() {
		t.Errorf("sent in %v, received in %v below %v",
			sent.SpanContext().TraceID(), received.SpanContext().TraceID(), received.Parent())
	}
}

// The message in progress is finished, also when the process has been asked to end.
func TestTheEndDoesNotInterruptAHandler(t *testing.T) {
	t.Parallel()
	tel, _ := onPaper(t, DefaultSettings())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := message.NewMessage("1", nil)
	m.SetContext(ctx)
	_, err := tel.receive(OrdersTopic)(
		func(m *message.Message) ([]*message.Message, error) { return nil, m.Context().Err() })(m)
	check(t, err)
	tel.Stop()
}

// A process that ends waits for the backend, but for no longer than its deadline.
func TestStopSendsWhatIsLeftInTime(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"as it should": false, "the backend hangs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tel, to := onPaper(t, DefaultSettings())
				want := time.Duration(0)
				if hangs {
					to.hangs, want = make(chan struct{}), DefaultSettings().Flush
					defer close(to.hangs)
				}
				_, span := tel.Tracing.tracer.Start(t.Context(), "the last")
				span.End()
				began := time.Now()
				tel.Stop()
				if took := time.Since(began); took != want {
					t.Errorf("it took %s, want %s", took, want)
				}
				if !hangs && !to.has("the last") {
					t.Error("the last span was not sent")
				}
			})
		})
	}
}

// A line of the console leads to its trace, whatever the logger has been told before.
func TestLinesOfTheConsoleCarryTheTrace(t *testing.T) {
	t.Parallel()
	tel, _ := onPaper(t, DefaultSettings())
	defer tel.Stop()
	ctx, span := tel.Tracing.tracer.Start(t.Context(), "work")
	defer span.End()
	for name, change := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":           func(l *slog.Logger) *slog.Logger { return l },
		"with attributes": func(l *slog.Logger) *slog.Logger { return l.With("a", 1) },
		"with a group":    func(l *slog.Logger) *slog.Logger { return l.WithGroup("g").With("a", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			var console bytes.Buffer
			logger := change(slog.New(bothWays(slog.NewJSONHandler(&console, nil), tel.logs)))
			logger.InfoContext(ctx, "within")
			var line struct {
				Trace string `json:"trace_id"`
				Group struct {
					Trace string `json:"trace_id"`
				} `json:"g"`
			}
			must(t, json.Unmarshal(console.Bytes(), &line))
			if got := line.Trace + line.Group.Trace; got != span.SpanContext().TraceID().String() {
				t.Errorf("the line is %s", console.String())
			}
			console.Reset()
			logger.InfoContext(trace.ContextWithSpan(ctx, nil), "outside")
			if bytes.Contains(console.Bytes(), []byte("trace_id")) {
				t.Errorf("a line without a trace is %s", console.String())
			}
		})
	}
}

// An order has failed once its message is safe in the poison queue, and not before.
func TestOnlyWhatIsInThePoisonQueueHasFailed(t *testing.T) {
	t.Parallel()
	for _, refusal := range []error{nil, errors.New("the broker refuses")} {
		tel, _ := onPaper(t, DefaultSettings())
		m := message.NewMessage("1", nil)
		middleware.SetCorrelationID("order-1", m)
		err := givenUp{&caught{err: refusal}, tel}.Publish(PoisonTopic, m)
		if !errors.Is(err, refusal) {
			t.Errorf("got %v, want %v", err, refusal)
		}
		if failed := bytes.Contains([]byte(scrape(tel)),
			[]byte("shop_orders_failed_total{")); failed != (refusal == nil) {
			t.Errorf("refused with %v, and failed: %t", refusal, failed)
		}
		tel.Stop()
	}
}

// An order is accepted once the broker has it, and not before.
func TestOnlyWhatTheBrokerHasIsAccepted(t *testing.T) {
	t.Parallel()
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	must(t, err)
	for _, refusal := range []error{nil, errors.New("the broker refuses")} {
		tel, _ := onPaper(t, DefaultSettings())
		p := &Producer{telemetry: tel, publisher: tel.Publisher(&caught{err: refusal})}
		if err := p.Place(t.Context(), order); !errors.Is(err, refusal) {
			t.Errorf("got %v, want %v", err, refusal)
		}
		if accepted := bytes.Contains([]byte(scrape(tel)),
			[]byte("shop_orders_accepted_total{")); accepted != (refusal == nil) {
			t.Errorf("refused with %v, and accepted: %t", refusal, accepted)
		}
		tel.Stop()
	}
}
