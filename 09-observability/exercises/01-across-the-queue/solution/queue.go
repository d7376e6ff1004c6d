// Package queue has both ends of a queue, each with its span.
package queue

import (
	"context"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// headers writes the context of a span into the header traceparent, and reads it there.
var headers propagation.TraceContext

// Publish hands an order to the broker. It runs in the producer.
func Publish(ctx context.Context, tracer trace.Tracer, to message.Publisher, order []byte) error {
	ctx, span := tracer.Start(ctx, "publish orders", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	m := message.NewMessage(watermill.NewUUID(), order)
	headers.Inject(ctx, propagation.MapCarrier(m.Metadata))
	return to.Publish("orders", m)
}

// Process does the work for a message that has arrived. It runs in the consumer, which is another
// process, on another machine.
func Process(tracer trace.Tracer, m *message.Message, work func(context.Context) error) error {
	ctx := headers.Extract(m.Context(), propagation.MapCarrier(m.Metadata))
	ctx, span := tracer.Start(ctx, "process orders",
		trace.WithSpanKind(trace.SpanKindConsumer))
	defer span.End()
	return work(ctx)
}
