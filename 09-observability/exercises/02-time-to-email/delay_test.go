//go:build exercise

package delay

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"course.example/shop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

type point = metricdata.HistogramDataPoint[float64]

// series measures orders whose e-mails came after so long, and returns what the backend is sent.
func series(ctx context.Context, t *testing.T, after ...time.Duration) []point {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	d, err := New(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("exercise"))
	if err != nil {
		t.Fatal(err)
	}
	placed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, wait := range after {
		d.Emailed(ctx, shop.Order{ID: fmt.Sprint(i), UserEmail: fmt.Sprint(i, "@example.com"),
			PlacedAt: placed}, placed.Add(wait))
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Histogram[float64])
			if m.Name != "shop.email.delay" || !ok || m.Unit != "s" {
				t.Fatalf("a %T with the name %q and the unit %q; want a histogram of float64, "+
					"shop.email.delay, in s", m.Data, m.Name, m.Unit)
			}
			return data.DataPoints
		}
	}
	t.Fatal("nothing was measured")
	return nil
}

func TestManyOrdersAreOneSeries(t *testing.T) {
	var after []time.Duration
	for range 100 {
		after = append(after, 1500*time.Millisecond)
	}
	points := series(t.Context(), t, after...)
	if len(points) != 1 {
		t.Fatalf("100 orders make %d series: which label is different for each order?", len(points))
	}
	if p := points[0]; p.Count != 100 || math.Abs(p.Sum-150) > 0.001 {
		t.Errorf("%d measurements with the sum %g s; want 100 with 150 s", p.Count, p.Sum)
	}
}

// The shop promises an e-mail within a minute. Was the promise kept? The histogram must know.
func TestTheBucketsAnswerTheQuestion(t *testing.T) {
	p := series(t.Context(), t,
		200*time.Millisecond, 2*time.Second, 59*time.Second, 61*time.Second)[0]
	used := 0
	for _, n := range p.BucketCounts {
		if n > 0 {
			used++
		}
	}
	if used != 4 {
		t.Errorf("0.2, 2, 59 and 61 seconds fall into %d buckets, want 4: the bounds are %v", used,
			p.Bounds)
	}
}

func TestClocksOfTwoMachines(t *testing.T) {
	p := series(t.Context(), t, -5*time.Second)[0]
	if p.Count != 1 || p.Sum != 0 {
		t.Errorf("an e-mail 5 s before its order is measured %d times, with %g s; want once, with 0",
			p.Count, p.Sum)
	}
}

// From the number to one order behind it.
func TestExemplar(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	p := series(trace.ContextWithSpanContext(t.Context(), span), t, time.Second)[0]
	if len(p.Exemplars) != 1 || [16]byte(p.Exemplars[0].TraceID) != [16]byte(span.TraceID()) {
		t.Errorf("the exemplars are %v: none leads to the trace of the order", p.Exemplars)
	}
}
