package observability

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Producer takes orders and publishes them.
type Producer struct {
	broker    *Broker
	telemetry *Telemetry
	publisher message.Publisher
}

// NewProducer returns a producer on the broker.
func NewProducer(b *Broker, t *Telemetry) *Producer {
	return &Producer{b, t, t.Publisher(b.publisher)}
}

// Place publishes the order and returns nil once the broker has confirmed it. Otherwise the
// error is a [shop.Unavailable], and the customer may come again.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	ctx, span := p.ownTrace(ctx)
	defer span.End()
	trace.SpanFromContext(ctx).SetAttributes(attribute.String(orderKey, order.ID))
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("order %s: %w", order.ID, err)
	}
	m := message.NewMessage(watermill.NewUUID(), body)
	m.SetContext(ctx)
	middleware.SetCorrelationID(order.ID, m)
	if err := p.publisher.Publish(OrdersTopic, m); err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, err), time.Second)
	}
	p.telemetry.accepted(ctx, order)
	return nil
}

// Handler is the shop's API, seen by otelhttp, and what Prometheus reads.
func (p *Producer) Handler() http.Handler {
	counter := shop.Counter{Place: p.Place, Ready: p.broker.Ready}
	mux := counter.Handler()
	mux.Handle("GET /metrics", p.telemetry.Metrics.Handler)
	return p.telemetry.HTTP(mux)
}

// ownTrace gives each of the many orders of one request a trace of its own, with a link back to
// the request: a thousand orders in one trace could not be read. The one order of a request is
// in the request's trace already.
func (p *Producer) ownTrace(ctx context.Context) (context.Context, trace.Span) {
	if many, _ := ctx.Value(manyKey{}).(bool); !many {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return p.telemetry.Tracing.tracer.Start(ctx, "place order", trace.WithNewRoot(),
		trace.WithLinks(trace.LinkFromContext(ctx)))
}

type manyKey struct{}
