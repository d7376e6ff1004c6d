//go:build exercise

package queue

import (
	"context"
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// side is a process: a tracer, and what it has told the backend.
func side(sampler sdktrace.Sampler) (trace.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler),
		sdktrace.WithSpanProcessor(spans))
	return provider.Tracer("exercise"), spans
}

// wire is the broker: of a message, only its bytes and its headers arrive.
type wire struct{ arrived *message.Message }

func (w *wire) Publish(_ string, messages ...*message.Message) error {
	for _, m := range messages {
		w.arrived = message.NewMessage(m.UUID, m.Payload)
		for key, value := range m.Metadata {
			w.arrived.Metadata.Set(key, value)
		}
	}
	return nil
}

func (*wire) Close() error { return nil }

type key struct{}

func TestOneTrace(t *testing.T) {
	producer, sent := side(sdktrace.AlwaysSample())
	consumer, received := side(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	broker := new(wire)
	if err := Publish(t.Context(), producer, broker, []byte("an order")); err != nil {
		t.Fatal(err)
	}
	broker.arrived.SetContext(context.WithValue(t.Context(), key{}, "kept"))
	failure := errors.New("the e-mail bounced")
	var within context.Context
	err := Process(consumer, broker.arrived, func(ctx context.Context) error {
		within = ctx
		return failure
	})
	if !errors.Is(err, failure) || len(sent.Ended()) != 1 || len(received.Ended()) != 1 {
		t.Fatalf("spans: %d and %d, want one of each; error: %v", len(sent.Ended()),
			len(received.Ended()), err)
	}
	publish, process := sent.Ended()[0], received.Ended()[0]
	if process.SpanContext().TraceID() != publish.SpanContext().TraceID() {
		t.Fatal("the trace stops at the queue: the order is in two traces")
	}
	if process.Parent().SpanID() != publish.SpanContext().SpanID() {
		t.Error("process orders is not the child of publish orders")
	}
	if broker.arrived.Metadata.Get("traceparent") == "" {
		t.Error("the message has no header traceparent: other systems cannot read yours")
	}
	if !trace.SpanContextFromContext(within).Equal(process.SpanContext()) {
		t.Error("the work does not know its span: its log lines will have no trace")
	}
	if within.Value(key{}) != "kept" {
		t.Error("what was in the context of the message is lost")
	}
}

// The first process decides whether a trace is kept, and all others obey.
func TestTheDecisionGoesAlong(t *testing.T) {
	producer, _ := side(sdktrace.NeverSample())
	consumer, received := side(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	broker := new(wire)
	if err := Publish(t.Context(), producer, broker, nil); err != nil {
		t.Fatal(err)
	}
	err := Process(consumer, broker.arrived, func(context.Context) error { return nil })
	if err != nil || len(received.Ended()) != 0 {
		t.Errorf("the producer does not keep the trace, and the consumer keeps %d spans of it; %v",
			len(received.Ended()), err)
	}
}

// A message of somebody who has no traces, or writes nonsense into the header.
func TestAStrangersMessage(t *testing.T) {
	for _, header := range []string{"", "nonsense", "00-0-0-01"} {
		consumer, received := side(sdktrace.ParentBased(sdktrace.AlwaysSample()))
		m := message.NewMessage("1", nil)
		if header != "" {
			m.Metadata.Set("traceparent", header)
		}
		err := Process(consumer, m, func(context.Context) error { return nil })
		if err != nil || len(received.Ended()) != 1 || received.Ended()[0].Parent().IsValid() {
			t.Errorf("traceparent %q: %d spans, error %v; want one that begins a trace", header,
				len(received.Ended()), err)
		}
	}
}
