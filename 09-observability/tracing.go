package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing draws spans around messages. The names and attributes are OpenTelemetry's semantic
// conventions for messaging and for RabbitMQ, v1.41, so that any backend knows what it sees.
//
//	POST /orders                    SERVER    the producer, by otelhttp
//	└ publish orders                PRODUCER  until the broker's confirm
//	  └ receive orders              CLIENT    another process: the message is in its hands
//	    ├ process orders            CONSUMER  one attempt; a retry is another one
//	    │ └ publish orders.emailed  PRODUCER  the follow-up event
//	    │   └ receive orders.em…    CLIENT    a third process
//	    │     ├ process …           CONSUMER
//	    │     └ ack …               CLIENT
//	    └ ack orders                CLIENT    the broker is told
//
// The consumer's spans are children of the publisher's, so that an order is one tree, which the
// conventions allow for single messages. What correlates in every case is the link to the
// message's creation context, which each of them has, too.
type Tracing struct {
	tracer trace.Tracer
	// propagator carries the span's context over the wire: the header traceparent of the W3C's
	// Trace Context. It is the whole difference between one trace and three.
	propagator propagation.TextMapPropagator
	server     []attribute.KeyValue // where the broker is
}

func newTracing(provider trace.TracerProvider, broker string) *Tracing {
	t := &Tracing{
		tracer: provider.Tracer("course.example/09-observability",
			trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: propagation.NewCompositeTextMapPropagator(
			propagation.TraceContext{}, propagation.Baggage{}),
	}
	if uri, err := amqp.ParseURI(broker); err == nil {
		t.server = []attribute.KeyValue{
			semconv.ServerAddress(uri.Host), semconv.ServerPort(uri.Port)}
	}
	return t
}

// orderKey is the attribute under which an order is found, on spans as in log lines.
const orderKey = "order"

// operation is what is done with a message, and how the conventions call it.
type operation struct {
	name string // the system's own word, with which the span's name begins
	kind attribute.KeyValue
	span trace.SpanKind
}

var (
	publishing = operation{"publish", semconv.MessagingOperationTypeSend, trace.SpanKindProducer}
	receiving  = operation{"receive", semconv.MessagingOperationTypeReceive, trace.SpanKindClient}
	processing = operation{
		"process", semconv.MessagingOperationTypeProcess, trace.SpanKindConsumer}
)

func settling(how string) operation {
	return operation{how, semconv.MessagingOperationTypeSettle, trace.SpanKindClient}
}

// about are the attributes of an operation that measurements have, too: there are few values of
// each.
func (t *Tracing) about(op operation, topic string) []attribute.KeyValue {
	return append([]attribute.KeyValue{
		semconv.MessagingSystemRabbitMQ, semconv.MessagingOperationName(op.name),
		semconv.MessagingDestinationName(topic),
	}, t.server...)
}

// start begins the span of an operation on one message.
func (t *Tracing) start(
	ctx context.Context, op operation, topic string, m *message.Message,
	more ...trace.SpanStartOption,
) (context.Context, trace.Span) {
	attrs := append(t.about(op, topic), op.kind,
		semconv.MessagingRabbitMQDestinationRoutingKey(topic), // as the default exchange has it
		semconv.MessagingMessageBodySize(len(m.Payload)))
	if m.UUID != "" {
		attrs = append(attrs, semconv.MessagingMessageID(m.UUID))
	}
	if id := middleware.MessageCorrelationID(m); id != "" {
		attrs = append(attrs, attribute.String(orderKey, id),
			semconv.MessagingMessageConversationID(id))
	}
	if tag := deliveryOf(m.Context()).tag; tag > 0 && op.name != publishing.name {
		attrs = append(attrs, semconv.MessagingRabbitMQMessageDeliveryTag(int(tag)))
	}
	return t.tracer.Start(ctx, op.name+" "+topic, append(more,
		trace.WithSpanKind(op.span), trace.WithAttributes(attrs...))...)
}

// linked is the link to the message's creation context, if it has one.
func linked(d *delivery) trace.SpanStartOption {
	if d.creation.IsValid() {
		return trace.WithLinks(trace.Link{SpanContext: d.creation})
	}
	return trace.WithLinks()
}

// Publisher returns a publisher that draws a span for each message and sends its context along.
func (t *Telemetry) Publisher(p message.Publisher) message.Publisher { return tracedPublisher{p, t} }

type tracedPublisher struct {
	message.Publisher
	t *Telemetry
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
	began := time.Now()
	ctx, span := p.t.Tracing.start(m.Context(), publishing, topic, m)
	defer span.End()
	m.Metadata.Set(publishedAt, began.UTC().Format(time.RFC3339Nano))
	p.t.Tracing.propagator.Inject(ctx, propagation.MapCarrier(m.Metadata))
	err := p.Publisher.Publish(topic, m)
	p.t.measure(ctx, publishing, topic, m, time.Since(began), err)
	if err != nil {
		fail(span, err)
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// receive continues the sender's trace. Its span is over when the message is in the handler's
// hands: how long the work takes is the span below, and what the broker is told is another one.
func (t *Telemetry) receive(topic string) message.HandlerMiddleware {
	return func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			began := time.Now()
			if at, err := time.Parse(time.RFC3339Nano, m.Metadata.Get(publishedAt)); err == nil {
				t.Metrics.lag.Store(int64(max(0, began.Sub(at))))
			}
			// What is in progress is finished, also when the process is asked to end.
			d := deliveryOf(m.Context())
			ctx := withDelivery(m.Context(), d)
			ctx = t.Tracing.propagator.Extract(ctx, propagation.MapCarrier(m.Metadata))
			d.creation = trace.SpanContextFromContext(ctx)
			ctx, span := t.Tracing.start(ctx, receiving, topic, m, linked(d))
			d.received = span.SpanContext()
			t.measure(ctx, receiving, topic, m, time.Since(began), nil)
			span.End()
			m.SetContext(ctx)
			return h(m)
		}
	}
}

// process draws a span for each attempt. That an attempt has failed is an event of its span,
// with the reason, and the span's status; that it was tried again is the next span. What follows
// from an attempt is published below it.
func (t *Telemetry) process(topic string) message.HandlerMiddleware {
	return func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			d, began := deliveryOf(m.Context()), time.Now()
			d.attempts++
			ctx, span := t.Tracing.start(m.Context(), processing, topic, m, linked(d),
				trace.WithAttributes(attribute.Int("attempt", d.attempts)))
			defer span.End()
			m.SetContext(ctx)
			events, err := h(m)
			// Within the span: that is how an exemplar comes to know its trace.
			t.measure(ctx, processing, topic, m, time.Since(began), err)
			if err != nil {
				fail(span, err)
				slog.WarnContext(ctx, "attempt failed", orderKey,
					middleware.MessageCorrelationID(m), "attempt", d.attempts,
					"reason", reasonOf(err))
			}
			for _, e := range events {
				e.SetContext(ctx)
			}
			return events, err
		}
	}
}

// settle draws the span of what the broker is told of a message.
func (t *Telemetry) settle(topic string) func(*message.Message, string, func() error) error {
	return func(m *message.Message, how string, tell func() error) error {
		op, began, d := settling(how), time.Now(), deliveryOf(m.Context())
		ctx := trace.ContextWithSpanContext(m.Context(), d.received)
		ctx, span := t.Tracing.start(ctx, op, topic, m, linked(d))
		defer span.End()
		err := tell()
		t.measure(ctx, op, topic, m, time.Since(began), err)
		if err != nil {
			fail(span, err)
		}
		return err
	}
}

// Attempt is the number of the attempt that a handler is called for; the first is 1.
func Attempt(ctx context.Context) int { return max(1, deliveryOf(ctx).attempts) }

func fail(span trace.Span, err error) {
	reason := reasonOf(err)
	span.RecordError(errors.New(reason))
	span.SetStatus(codes.Error, reason)
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
}

// reasonOf leaves out the stack of a panic, which is no text for a span, and cuts what quotes a
// stranger.
func reasonOf(err error) string {
	if panicked := new(middleware.RecoveredPanicError); errors.As(err, panicked) {
		err = fmt.Errorf("panic: %v", panicked.V)
	}
	return shop.Reason(err)
}

// errorType is the kind of an error, of which there must be few: it is what people group by. The
// conventions want them listed.
func errorType(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{errUnreadable, "unreadable"}, {errUnconfirmed, "unconfirmed"}, {errRefused, "refused"},
		{errUnroutable, "unroutable"}, {errBlocked, "blocked"},
		{errNotConnected, "not-connected"}, {amqp.ErrClosed, "not-connected"},
		{shop.ErrBounced, "bounced"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	if errors.As(err, new(middleware.RecoveredPanicError)) {
		return "panic"
	}
	if refused := new(amqp.Error); errors.As(err, &refused) {
		return fmt.Sprintf("amqp:%d", refused.Code)
	}
	return semconv.ErrorTypeOther.Value.AsString()
}
