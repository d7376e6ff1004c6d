package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing draws spans around messages. The names and attributes are OpenTelemetry's conventions
// for messaging, so that any backend knows what it sees.
//
//	POST /orders                    SERVER    the producer, by otelhttp
//	└ publish orders                PRODUCER  until the broker's confirm
//	  └ receive orders              CONSUMER  another process: until the acknowledgement
//	    ├ process orders            CONSUMER  one attempt; a retry is another one
//	    └ publish orders.emailed    PRODUCER  the follow-up event
//	      └ receive orders.emailed  CONSUMER  a third process
//	        └ process …             CONSUMER
type Tracing struct {
	tracer trace.Tracer
	// propagator carries the span's context over the wire: the header traceparent of the W3C's
	// Trace Context. It is the whole difference between one trace and three.
	propagator propagation.TextMapPropagator
	// open are the spans that end with an acknowledgement, after the handler has returned.
	open sync.WaitGroup
}

func newTracing(provider trace.TracerProvider) *Tracing {
	return &Tracing{
		tracer: provider.Tracer("course.example/09-observability"),
		propagator: propagation.NewCompositeTextMapPropagator(
			propagation.TraceContext{}, propagation.Baggage{}),
	}
}

// orderKey is the attribute under which an order is found, on spans as in log lines.
const orderKey = "order"

func describe(topic string, m *message.Message, more ...attribute.KeyValue) []attribute.KeyValue {
	attrs := append([]attribute.KeyValue{
		semconv.MessagingSystemRabbitMQ,
		semconv.MessagingDestinationName(topic),
		semconv.MessagingMessageID(m.UUID),
		semconv.MessagingMessageBodySize(len(m.Payload)),
	}, more...)
	if id := middleware.MessageCorrelationID(m); id != "" {
		attrs = append(attrs, attribute.String(orderKey, id),
			semconv.MessagingMessageConversationID(id))
	}
	return attrs
}

// Publisher returns a publisher that draws a span for each message and sends its context along.
func (t *Tracing) Publisher(p message.Publisher) message.Publisher { return tracedPublisher{p, t} }

type tracedPublisher struct {
	message.Publisher
	t *Tracing
}

// publishedAt is the header with the time at which a message was handed to the broker.
const publishedAt = "published_at"

// Publish publishes one message after the other, and stops at the first that fails.
func (p tracedPublisher) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		if err := p.publish(topic, m); err != nil {
			return err
		}
	}
	return nil
}

func (p tracedPublisher) publish(topic string, m *message.Message) error {
	ctx, span := p.t.tracer.Start(m.Context(), "publish "+topic,
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(describe(topic, m, semconv.MessagingOperationTypeSend,
			semconv.MessagingOperationName("publish"))...))
	defer span.End()
	m.Metadata.Set(publishedAt, time.Now().UTC().Format(time.RFC3339Nano))
	p.t.propagator.Inject(ctx, propagation.MapCarrier(m.Metadata))
	if err := p.Publisher.Publish(topic, m); err != nil {
		fail(span, err)
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// receive continues the sender's trace: its span lasts until the message is acknowledged. The
// messages that the handler returns are published within it.
func (t *Tracing) receive(topic string, h message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		// What is in hand is finished, also when the process is asked to end.
		ctx := context.WithoutCancel(m.Context())
		ctx = t.propagator.Extract(ctx, propagation.MapCarrier(m.Metadata))
		ctx, span := t.tracer.Start(ctx, "receive "+topic,
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(describe(topic, m, semconv.MessagingOperationTypeReceive,
				semconv.MessagingOperationName("receive"))...))
		t.open.Go(func() {
			select {
			case <-m.Acked():
			case <-m.Nacked():
				span.SetStatus(codes.Error, "put back into the queue")
			}
			span.End()
		})
		m.SetContext(context.WithValue(ctx, attemptsKey{}, new(int)))
		events, err := h(m)
		for _, e := range events {
			e.SetContext(ctx)
		}
		return events, err
	}
}

// process draws a span for each attempt. That an attempt has failed is an event of its span,
// with the reason, and the span's status; that it was tried again is the next span.
func (t *Tracing) process(topic string, h message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		attempts, _ := m.Context().Value(attemptsKey{}).(*int)
		*attempts++
		ctx, span := t.tracer.Start(m.Context(), "process "+topic,
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(describe(topic, m, semconv.MessagingOperationTypeProcess,
				semconv.MessagingOperationName("process"),
				attribute.Int("attempt", *attempts))...))
		defer span.End()
		m.SetContext(ctx)
		events, err := h(m)
		if err != nil {
			fail(span, err)
			slog.WarnContext(ctx, "attempt failed", orderKey, middleware.MessageCorrelationID(m),
				"attempt", *attempts, "reason", reasonOf(err))
		}
		return events, err
	}
}

type attemptsKey struct{}

// Attempt is the number of the attempt that a handler is called for; the first is 1.
func Attempt(ctx context.Context) int {
	if n, ok := ctx.Value(attemptsKey{}).(*int); ok {
		return *n
	}
	return 1
}

func fail(span trace.Span, err error) {
	reason := reasonOf(err)
	span.RecordError(errors.New(reason))
	span.SetStatus(codes.Error, reason)
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
}

// reasonOf leaves out the stack of a panic, which is no text for a span.
func reasonOf(err error) string {
	if panicked := new(middleware.RecoveredPanicError); errors.As(err, panicked) {
		return fmt.Sprintf("panic: %v", panicked.V)
	}
	return err.Error()
}

// errorType is the kind of an error, of which there must be few: it is what people group by.
func errorType(err error) string {
	switch {
	case errors.Is(err, errUnreadable):
		return "unreadable"
	case errors.As(err, new(middleware.RecoveredPanicError)):
		return "panic"
	default:
		return "_OTHER"
	}
}

// wait returns when every span has ended, or ctx has.
func (t *Tracing) wait(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.open.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
