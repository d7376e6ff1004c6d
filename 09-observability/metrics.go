package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
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
	"go.opentelemetry.io/otel/semconv/v1.41.0/messagingconv"
)

// Metrics are numbers about all orders together. Of one order they say nothing, and that is
// what keeps them cheap: they cost the same for ten orders and for ten million.
type Metrics struct {
	// Handler is the page that Prometheus reads.
	Handler http.Handler

	accepted, processed, failed metric.Int64Counter
	meter                       metric.Meter
	lag                         atomic.Int64 // nanoseconds

	// The conventions' own: whoever knows one application's dashboard knows this one's.
	sent, consumed metric.Int64Counter
	operation      metric.Float64Histogram // what the broker is asked or told
	process        metric.Float64Histogram // one attempt

	// labels are the attributes of a measurement. Each different set of them is a series, which
	// is kept forever: there must be few. See wrong.go.
	labels func(order string, few attribute.Set) metric.MeasurementOption
	sets   sync.Map // of labels, by what they are about: to make one is dearer than to measure
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
		labels: func(_ string, few attribute.Set) metric.MeasurementOption {
			return metric.WithAttributeSet(few)
		},
	}
	var errs [8]error
	m.accepted, errs[0] = meter.Int64Counter("shop.orders.accepted",
		metric.WithUnit("{order}"), metric.WithDescription("orders the customer was told yes to"))
	m.processed, errs[1] = meter.Int64Counter("shop.orders.processed",
		metric.WithUnit("{order}"), metric.WithDescription("orders whose e-mail was sent"))
	m.failed, errs[2] = meter.Int64Counter("shop.orders.failed",
		metric.WithUnit("{order}"), metric.WithDescription("orders that were given up"))
	sent, err := messagingconv.NewClientSentMessages(meter)
	m.sent, errs[3] = sent.Inst(), err
	consumed, err := messagingconv.NewClientConsumedMessages(meter)
	m.consumed, errs[4] = consumed.Inst(), err
	// The first buckets are ours: the conventions begin with 5 ms.
	seconds := metric.WithExplicitBucketBoundaries(
		.001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)
	operation, err := messagingconv.NewClientOperationDuration(meter, seconds)
	m.operation, errs[5] = operation.Inst(), err
	process, err := messagingconv.NewProcessDuration(meter, seconds)
	m.process, errs[6] = process.Inst(), err
	errs[7] = runtime.Start(runtime.WithMeterProvider(provider))
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
	t.Metrics.accepted.Add(ctx, 1, t.Metrics.labels(o.ID, attribute.Set{}))
}

func (t *Telemetry) processed(ctx context.Context, o shop.Order) {
	t.Metrics.processed.Add(ctx, 1, t.Metrics.labels(o.ID, attribute.Set{}))
}

// failed is the end of an order that was given up: the line for the ledger, and the counter.
func (t *Telemetry) failed(ctx context.Context, m *message.Message, reason string) {
	name := middleware.MessageCorrelationID(m)
	id, err := shop.ParseID(name)
	if err != nil {
		slog.ErrorContext(ctx, "a message without an order's name was given up",
			"message", m.UUID, "correlation", name, "reason", reason)
	} else {
		shop.Failed(ctx, id.String(), reason)
	}
	t.Metrics.failed.Add(ctx, 1, t.Metrics.labels(name, attribute.Set{}))
}

// about is what a series is told apart by.
type about struct {
	operation, topic, failure string
}

// sets are the labels of a series, without the type of the operation and with it: only one of
// the conventions' metrics has that.
type sets struct{ plain, typed attribute.Set }

// measure says how long an operation on a message took, and how it ended.
func (t *Telemetry) measure(
	ctx context.Context, op operation, topic string, m *message.Message,
	took time.Duration, err error,
) {
	key := about{operation: op.name, topic: topic}
	if err != nil {
		key.failure = errorType(err)
	}
	known, ok := t.Metrics.sets.Load(key)
	if !ok {
		attrs := t.Tracing.about(op, topic)
		if err != nil {
			attrs = append(attrs, semconv.ErrorTypeKey.String(key.failure))
		}
		both := sets{attribute.NewSet(attrs...), attribute.NewSet(append(attrs, op.kind)...)}
		known, _ = t.Metrics.sets.LoadOrStore(key, both)
	}
	both, order := known.(sets), middleware.MessageCorrelationID(m)
	switch op.kind {
	case publishing.kind:
		t.Metrics.sent.Add(ctx, 1, t.Metrics.labels(order, both.plain))
	case receiving.kind:
		t.Metrics.consumed.Add(ctx, 1, t.Metrics.labels(order, both.plain))
	case processing.kind:
		t.Metrics.process.Record(ctx, took.Seconds(), t.Metrics.labels(order, both.plain))
		return
	}
	t.Metrics.operation.Record(ctx, took.Seconds(), t.Metrics.labels(order, both.typed))
}
