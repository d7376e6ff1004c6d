// Package delay measures how long customers wait for their e-mail.
package delay

import (
	"context"
	"fmt"
	"time"

	"course.example/shop"
	"go.opentelemetry.io/otel/metric"
)

// Delay is the metric.
type Delay struct{ seconds metric.Float64Histogram }

// New makes the instrument.
func New(meter metric.Meter) (*Delay, error) {
	seconds, err := meter.Float64Histogram("shop.email.delay", metric.WithUnit("s"),
		metric.WithDescription("from the order to its e-mail"),
		metric.WithExplicitBucketBoundaries(0.1, 0.5, 1, 5, 10, 30, 60, 300))
	if err != nil {
		return nil, fmt.Errorf("make the metric: %w", err)
	}
	return &Delay{seconds}, nil
}

// Emailed says that the customer of an order was sent the e-mail at a moment.
func (d *Delay) Emailed(ctx context.Context, order shop.Order, at time.Time) {
	// Two machines, two clocks: the e-mail may seem to come before the order.
	d.seconds.Record(ctx, max(0, at.Sub(order.PlacedAt)).Seconds())
}
