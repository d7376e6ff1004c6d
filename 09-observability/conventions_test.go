package observability

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// What OpenTelemetry's semantic conventions v1.41 ask for: docs/messaging/messaging-spans.md,
// rabbitmq.md and messaging-metrics.md. The tables below are theirs, line by line.

// always are the attributes that the conventions require, or require where they are known, which
// is always the case here.
var always = []string{
	"messaging.system", "messaging.operation.name", "messaging.operation.type",
	"messaging.destination.name", "messaging.rabbitmq.destination.routing_key",
	"server.address", "server.port", // conditionally required, and recommended
	"messaging.message.id", "messaging.message.conversation_id", // recommended
}

var spansByConvention = []struct {
	operation, kindOf string // messaging.operation.name and .type
	kind              trace.SpanKind
	more              []string
	linked            bool // to the message's creation context
}{
	{"publish", "send", trace.SpanKindProducer, nil, false},
	{"receive", "receive", trace.SpanKindClient,
		[]string{"messaging.rabbitmq.message.delivery_tag"}, true},
	{"process", "process", trace.SpanKindConsumer,
		[]string{"messaging.rabbitmq.message.delivery_tag"}, true},
	{"ack", "settle", trace.SpanKindClient,
		[]string{"messaging.rabbitmq.message.delivery_tag"}, true},
}

// TestSpansKeepTheConventions sends one message through and looks at every span, once as it
// should be and once with every operation failing.
func TestSpansKeepTheConventions(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"done": nil, "failed": errRefused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, to := onPaper(t, DefaultSettings())
			goThrough(t, tel, failure)
			tel.Stop()
			sent := to.find("publish orders")
			for _, c := range spansByConvention {
				span := to.find(c.operation + " orders") // {operation.name} {destination}
				if span == nil {
					t.Fatalf("there is no span for %s", c.operation)
				}
				attrs := attribute.NewSet(span.Attributes()...)
				for _, key := range slices.Concat(always, c.more) {
					if !attrs.HasValue(attribute.Key(key)) {
						t.Errorf("%s lacks %s", c.operation, key)
					}
				}
				for key, want := range map[attribute.Key]string{
					"messaging.system": "rabbitmq", "messaging.operation.name": c.operation,
					"messaging.operation.type": c.kindOf, "messaging.destination.name": "orders",
					"messaging.rabbitmq.destination.routing_key": "orders",
					"server.address":                    "127.0.0.1",
					"messaging.message.conversation_id": "order-1",
				} {
					if got, _ := attrs.Value(key); got.AsString() != want {
						t.Errorf("%s: %s is %q, want %q", c.operation, key, got.AsString(), want)
					}
				}
				if attrs.HasValue("messaging.batch.message_count") {
					t.Errorf("%s is about a single message, and counts a batch", c.operation)
				}
				if span.SpanKind() != c.kind {
					t.Errorf("%s is of kind %v, want %v", c.operation, span.SpanKind(), c.kind)
				}
				links := span.Links()
				if c.linked && (len(links) != 1 ||
					links[0].SpanContext.SpanID() != sent.SpanContext().SpanID()) {
					t.Errorf("%s is not linked to the message's creation: %v", c.operation, links)
				}
				fails := failure != nil && c.operation != "receive"
				if _, has := attrs.Value("error.type"); has != fails ||
					(span.Status().Code == codes.Error) != fails {
					t.Errorf("%s: error.type %t, status %v, and it failed: %t", c.operation, has,
						span.Status(), fails)
				}
			}
			// What is received is in the handler's hands, before the work and not around it.
			received, worked := to.find("receive orders"), to.find("process orders")
			if received.EndTime().After(worked.StartTime()) {
				t.Error("the receive span goes on while the message is processed")
			}
		})
	}
}

// goThrough has one message published, received, processed and settled.
func goThrough(t *testing.T, tel *Telemetry, failure error) {
	t.Helper()
	m := message.NewMessage("message-1", []byte("{}"))
	middleware.SetCorrelationID("order-1", m)
	if err := tel.Publisher(&caught{err: failure}).Publish(OrdersTopic, m); !errors.Is(err, failure) {
		t.Error(err)
	}
	d := amqp.Delivery{MessageId: m.UUID, Body: m.Payload, DeliveryTag: 7,
		Headers: marshal(m).Headers}
	arrived := unmarshal(d)
	arrived.SetContext(withDelivery(t.Context(), &delivery{tag: d.DeliveryTag, free: func() {}}))
	handler := tel.receive(OrdersTopic)(tel.process(OrdersTopic)(
		func(*message.Message) ([]*message.Message, error) { return nil, failure }))
	if _, err := handler(arrived); !errors.Is(err, failure) {
		t.Error(err)
	}
	err := tel.settle(OrdersTopic)(arrived, "ack", func() error { return failure })
	if !errors.Is(err, failure) {
		t.Error(err)
	}
}

var metricsByConvention = []struct {
	name, unit string
	histogram  bool
	operations []string
	typed      bool // has messaging.operation.type
}{
	{"messaging.client.sent.messages", "{message}", false, []string{"publish"}, false},
	{"messaging.client.consumed.messages", "{message}", false, []string{"receive"}, false},
	{"messaging.client.operation.duration", "s", true, []string{"publish", "receive", "ack"}, true},
	{"messaging.process.duration", "s", true, []string{"process"}, false},
}

func TestMetricsKeepTheConventions(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	tel, err := newTelemetry("test", DefaultSettings(), sinks{meters: reader})
	must(t, err)
	goThrough(t, tel, nil)
	goThrough(t, tel, errRefused)
	var all metricdata.ResourceMetrics
	must(t, reader.Collect(t.Context(), &all))
	tel.Stop()
	for _, c := range metricsByConvention {
		t.Run(c.name, func(t *testing.T) {
			unit, points := series(t, all, c.name, c.histogram)
			if unit != c.unit {
				t.Errorf("its unit is %q, want %q", unit, c.unit)
			}
			for _, operation := range c.operations {
				for _, failed := range []bool{false, operation != "receive"} {
					if !slices.ContainsFunc(points, func(s attribute.Set) bool {
						name, _ := s.Value("messaging.operation.name")
						return name.AsString() == operation && s.HasValue("error.type") == failed
					}) {
						t.Errorf("no series for %s, failed: %t", operation, failed)
					}
				}
			}
			allowed := []attribute.Key{"messaging.system", "messaging.operation.name",
				"messaging.destination.name", "server.address", "server.port"}
			for _, s := range points {
				for _, key := range allowed {
					if !s.HasValue(key) {
						t.Errorf("a series lacks %s", key)
					}
				}
				if s.HasValue("messaging.operation.type") != c.typed {
					t.Errorf("it has messaging.operation.type: %t, want %t", !c.typed, c.typed)
				}
				for _, kv := range s.ToSlice() {
					if !slices.Contains(append(allowed, "error.type", "messaging.operation.type"),
						kv.Key) {
						t.Errorf("a series has %s, of which there may be many values", kv.Key)
					}
				}
			}
		})
	}
}

func series(
	t *testing.T, all metricdata.ResourceMetrics, name string, histogram bool,
) (unit string, points []attribute.Set) {
	t.Helper()
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			unit = m.Unit
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				if histogram || !data.IsMonotonic {
					t.Errorf("%s is a %T", name, data)
				}
				for _, p := range data.DataPoints {
					points = append(points, p.Attributes)
				}
			case metricdata.Histogram[float64]:
				if !histogram {
					t.Errorf("%s is a %T", name, data)
				}
				for _, p := range data.DataPoints {
					points = append(points, p.Attributes)
				}
			}
		}
	}
	if len(points) == 0 {
		t.Fatalf("there is no %s", name)
	}
	return unit, points
}

// The kinds of errors are few, whatever is in them.
func TestErrorTypesAreFew(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"unreadable":  unreadable(errors.New("no JSON")),
		"unconfirmed": fmt.Errorf("publish: %w", errors.Join(errUnconfirmed, context.DeadlineExceeded)),
		"refused":     errRefused, "unroutable": errUnroutable,
		"blocked":       fmt.Errorf("%w: low on memory", errBlocked),
		"not-connected": lost(nil),
		"amqp:541":      &amqp.Error{Code: amqp.InternalError, Reason: "queue 4711 has no leader"},
		"panic":         middleware.RecoveredPanicError{V: "out of paper"},
		"_OTHER":        errMailServer,
	} {
		if got := errorType(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

// A public door: what a customer writes into the headers of a trace decides nothing here. An
// order is traced all the same, in a trace of its own, which leads to the customer's.
func TestACustomersTraceIsLinkedAndNoMore(t *testing.T) {
	t.Parallel()
	tel, to := onPaper(t, DefaultSettings())
	wire := new(caught)
	p := &Producer{broker: &Broker{publisher: new(Publisher)}, telemetry: tel,
		publisher: tel.Publisher(wire)}
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	const customers = "0af7651916cd43dd8448eb211c80319c"
	for _, header := range []string{
		"00-" + customers + "-b7ad6b7169203331-00", // and do not keep it
		"00-" + customers + "-b7ad6b7169203331-01", "00-" + customers + "-b7ad6b7169203331-01",
		"not a trace", "",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/orders", nil)
		must(t, err)
		r.Header.Set("traceparent", header)
		r.Header.Set("tracestate", "vendor=1")
		r.Header.Set("baggage", "secret=1,user=mallory")
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		check(t, answer.Body.Close())
		if answer.StatusCode != http.StatusAccepted {
			t.Errorf("%q: %s", header, answer.Status)
		}
	}
	tel.Stop()
	traces := map[trace.TraceID]bool{}
	links := 0
	for _, span := range to.all("POST /orders") {
		traces[span.SpanContext().TraceID()] = true
		for _, l := range span.Links() {
			if links++; l.SpanContext.TraceID().String() != customers {
				t.Errorf("a link to %v", l.SpanContext.TraceID())
			}
		}
		if span.Parent().IsValid() || span.SpanContext().TraceState().Len() > 0 {
			t.Errorf("the customer is its parent: %v", span.Parent())
		}
	}
	if len(traces) != 5 || links != 3 {
		t.Errorf("five orders have %d traces and %d links, want 5 and 3", len(traces), links)
	}
	for _, m := range wire.all {
		if m.Metadata.Get("baggage") != "" || m.Metadata.Get("tracestate") != "" ||
			strings.Contains(m.Metadata.Get("traceparent"), customers) ||
			!strings.HasSuffix(m.Metadata.Get("traceparent"), "-01") {
			t.Errorf("the broker was told %v", m.Metadata)
		}
	}
}

func (k *kept) all(name string) (spans []sdktrace.ReadOnlySpan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.spans {
		if s.Name() == name {
			spans = append(spans, s)
		}
	}
	return spans
}
