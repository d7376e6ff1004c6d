package observability

import (
	"context"
	"log/slog"
	"testing"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// BenchmarkTelemetry measures what a processor spends on being seen: the nine spans of one order
// and their measurements, with no broker and no work between them. What it costs on the way through
// a broker is in BenchmarkBeside07.
func BenchmarkTelemetry(b *testing.B) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var off float64
	for _, mode := range []struct{ name, sampler, share string }{
		{"off", "", ""},
		{"everything", "always_on", ""},
		{"traces=10%", "parentbased_traceidratio", "0.1"},
		{"traces=1%", "parentbased_traceidratio", "0.01"},
	} {
		b.Run(mode.name, func(b *testing.B) {
			b.Setenv("OTEL_TRACES_SAMPLER", mode.sampler)
			b.Setenv("OTEL_TRACES_SAMPLER_ARG", mode.share)
			// Spans only: lines are not sampled, and would hide what sampling saves.
			w := &world{t: b, s: DefaultSettings()}
			to := sinks{}
			if mode.name != "off" {
				w.receiver = servicestest.Private(b, services.Jaeger, 1)[0].URL
				to = sinks{traces: w.sinks().traces}
			}
			t, err := newTelemetry("shop", w.s, to)
			must(b, err)
			journey := newJourney(t)
			b.ReportAllocs()
			for b.Loop() {
				journey(b)
			}
			b.StopTimer()
			t.Stop()
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if mode.name == "off" {
				off = each
			}
			b.ReportMetric(each/off, "x-of-off")
		})
	}
}

// newJourney returns the way of one order through the tracing of all three processes.
func newJourney(t *Telemetry) func(testing.TB) {
	publisher := t.Publisher(nowhere{})
	told := func() error { return nil }
	consume := t.receive(OrdersTopic)(t.process(OrdersTopic)(
		func(m *message.Message) ([]*message.Message, error) {
			t.processed(m.Context(), shop.Order{})
			return []*message.Message{message.NewMessage("2", m.Payload)}, nil
		}))
	ship := t.receive(EmailedTopic)(t.process(EmailedTopic)(
		func(*message.Message) ([]*message.Message, error) { return nil, nil }))
	body := []byte(`{"order_id": "1"}`)
	return func(tb testing.TB) {
		ctx, span := t.Tracing.tracer.Start(context.Background(), "POST /orders")
		m := message.NewMessage("1", body)
		m.SetContext(ctx)
		middleware.SetCorrelationID("1", m)
		must(tb, publisher.Publish(OrdersTopic, m))
		span.End()
		m.SetContext(context.Background()) // from here on the context is in the headers
		events, err := consume(m)
		must(tb, err)
		must(tb, publisher.Publish(EmailedTopic, events...))
		must(tb, t.settle(OrdersTopic)(m, "ack", told))
		events[0].SetContext(context.Background())
		_, err = ship(events[0])
		must(tb, err)
		must(tb, t.settle(EmailedTopic)(events[0], "ack", told))
	}
}

// nowhere takes messages as fast as can be.
type nowhere struct{}

func (nowhere) Publish(string, ...*message.Message) error { return nil }
func (nowhere) Close() error                              { return nil }
