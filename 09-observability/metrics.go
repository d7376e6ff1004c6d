package observability

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// Metrics are numbers about all orders together. Of one order they say nothing, and that is
// what keeps them cheap: they cost the same for ten orders and for ten million.
type Metrics struct {
	// Handler is the page that Prometheus reads.
	Handler http.Handler

	accepted, processed, failed metric.Int64Counter
	took                        metric.Float64Histogram
	meter                       metric.Meter
	lag                         atomic.Int64 // nanoseconds

	// labels are the attributes of a measurement. Each different set of them is a series, which
	// is kept for ever: there must be few. See wrong.go.
	labels func(order string, more ...attribute.KeyValue) metric.MeasurementOption
}

// newMetrics makes the instruments and two ways to read them: one sends by OTLP, the other
// waits to be asked by Prometheus.
func newMetrics(
	who *resource.Resource, otlp sdkmetric.Reader,
) (*sdkmetric.MeterProvider, *Metrics, error) {
	registry := client.NewRegistry()
	page, err := prometheus.New(prometheus.WithRegisterer(registry))
	if err != nil {
		return nil, nil, fmt.Errorf("make the page for Prometheus: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(who), sdkmetric.WithReader(page)}
	if otlp != nil {
		options = append(options, sdkmetric.WithReader(otlp))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	meter := provider.Meter("course.example/09-observability")
	m := &Metrics{
		meter: meter,
		// Exemplars, which lead from a measurement to its trace, are in this format only.
		Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}),
		labels: func(_ string, more ...attribute.KeyValue) metric.MeasurementOption {
			return metric.WithAttributes(more...)
		},
	}
	var errs [5]error
	m.accepted, errs[0] = meter.Int64Counter("shop.orders.accepted",
		metric.WithUnit("{order}"), metric.WithDescription("orders the customer was told yes to"))
	m.processed, errs[1] = meter.Int64Counter("shop.orders.processed",
		metric.WithUnit("{order}"), metric.WithDescription("orders whose e-mail was sent"))
	m.failed, errs[2] = meter.Int64Counter("shop.orders.failed",
		metric.WithUnit("{order}"), metric.WithDescription("orders that were given up"))
	m.took, errs[3] = meter.Float64Histogram("shop.process.duration",
		metric.WithUnit("s"), metric.WithDescription("time that one attempt took"),
		metric.WithExplicitBucketBoundaries(
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	errs[4] = runtime.Start(runtime.WithMeterProvider(provider))
	return provider, m, errors.Join(errs[:]...)
}

// Observe reports how many messages wait in a queue, and how long the one that was last taken
// out had waited. A gauge that is observed costs nothing until somebody asks: the broker is
// asked then. The observation ends with the function that is returned, before the broker is
// closed.
func (t *Telemetry) Observe(b *Broker, queue string) (end func() error, err error) {
	m := t.Metrics
	depth, err := m.meter.Int64ObservableGauge("shop.queue.depth", metric.WithUnit("{message}"),
		metric.WithDescription("messages that wait in the queue"))
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", queue, err)
	}
	lag, err := m.meter.Float64ObservableGauge("shop.queue.lag", metric.WithUnit("s"),
		metric.WithDescription("how long the message had waited that was taken last"))
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", queue, err)
	}
	observing, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		of := metric.WithAttributes(semconv.MessagingDestinationName(queue))
		n, err := b.Depth(queue)
		if err != nil {
			return err // no observation is more honest than a zero
		}
		o.ObserveInt64(depth, int64(n), of)
		behind := time.Duration(m.lag.Load())
		if n == 0 {
			behind = 0 // nothing waits any more
		}
		o.ObserveFloat64(lag, behind.Seconds(), of)
		return nil
	}, depth, lag)
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", queue, err)
	}
	return observing.Unregister, nil
}

func (t *Telemetry) accepted(ctx context.Context, o shop.Order) {
	t.Metrics.accepted.Add(ctx, 1, t.Metrics.labels(o.ID))
}

func (t *Telemetry) processed(ctx context.Context, o shop.Order) {
	t.Metrics.processed.Add(ctx, 1, t.Metrics.labels(o.ID))
}

// failed is the end of an order that was given up: the line for the ledger, and the counter.
func (t *Telemetry) failed(ctx context.Context, m *message.Message, reason string) {
	id := middleware.MessageCorrelationID(m)
	if id != "" {
		shop.Failed(ctx, id, reason)
	}
	t.Metrics.failed.Add(ctx, 1, t.Metrics.labels(id))
}

// receive is [Tracing.receive], and how long the message has waited.
func (t *Telemetry) receive(topic string) message.HandlerMiddleware {
	return func(h message.HandlerFunc) message.HandlerFunc {
		traced := t.Tracing.receive(topic, h)
		return func(m *message.Message) ([]*message.Message, error) {
			if at, err := time.Parse(time.RFC3339Nano, m.Metadata.Get(publishedAt)); err == nil {
				t.Metrics.lag.Store(int64(max(0, time.Since(at))))
			}
			return traced(m)
		}
	}
}

// process is [Tracing.process], and how long the attempt took. The measurement is made within
// the span: that is how an exemplar comes to know its trace.
func (t *Telemetry) process(topic string) message.HandlerMiddleware {
	return func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			return t.Tracing.process(topic,
				func(m *message.Message) ([]*message.Message, error) {
					began := time.Now()
					events, err := h(m)
					outcome := "done"
					if err != nil {
						outcome = "failed"
					}
					t.Metrics.took.Record(m.Context(), time.Since(began).Seconds(),
						t.Metrics.labels(middleware.MessageCorrelationID(m),
							semconv.MessagingDestinationName(topic),
							attribute.String("outcome", outcome)))
					return events, err
				})(m)
		}
	}
}
