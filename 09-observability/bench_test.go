package observability

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// BenchmarkPrice measures what it costs to be seen: the whole way of an order, from the request
// to the packed parcel, with telemetry and without, in one run, in turns. All three processes
// and the broker share the machine with the receiver, which is a process of its own. The
// console is off in all cases.
//
//	orders/s   all orders placed and processed, by the time from the first to the last
//	p99-ms     what the slowest of a hundred customers waited for the answer to POST /orders
//	x-of-off   the rate beside the one without telemetry
func BenchmarkPrice(b *testing.B) {
	before := slog.Default()
	defer slog.SetDefault(before)
	modes := []struct{ name, sampler, share string }{
		{"off", "", ""},
		{"everything", "always_on", ""},
		{"traces-10%", "parentbased_traceidratio", "0.1"},
		{"traces-1%", "parentbased_traceidratio", "0.01"},
	}
	worlds := make([]*measured, len(modes))
	for i, mode := range modes {
		b.Setenv("OTEL_TRACES_SAMPLER", mode.sampler)
		b.Setenv("OTEL_TRACES_SAMPLER_ARG", mode.share)
		worlds[i] = newMeasured(b, mode.name != "off")
	}
	const rounds = 10
	n := max(b.N/rounds, customers)
	for round := range rounds {
		for i := range worlds {
			// Each round begins with another one: what comes first meets what the last has left.
			worlds[(round+i)%len(worlds)].play(b, n)
		}
	}
	for i, w := range worlds {
		w.end()
		rate := float64(rounds*n) / w.took.Seconds()
		b.ReportMetric(rate, modes[i].name+"-orders/s")
		b.ReportMetric(rate/(float64(rounds*n)/worlds[0].took.Seconds()), modes[i].name+"-x-of-off")
		slices.Sort(w.waits)
		p99 := w.waits[len(w.waits)*99/100]
		b.ReportMetric(float64(p99.Microseconds())/1000, modes[i].name+"-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// customers order one thing after the other, all of them at a time.
const customers = 16

type measured struct {
	*world
	logs   *slog.Logger
	client http.Client
	placed int
	took   time.Duration
	waits  []time.Duration
}

func newMeasured(b *testing.B, seen bool) *measured {
	b.Helper()
	w := &measured{world: newWorld(b), logs: slog.New(slog.DiscardHandler)}
	if !seen {
		w.receiver = ""
	}
	w.s.Work, w.s.Workers = 0, 8
	w.client.Transport = &http.Transport{MaxIdleConnsPerHost: customers}
	t := w.produce()
	if seen {
		w.logs = slog.New(bothWays(slog.DiscardHandler, t.logs))
	}
	w.consume("consumer", "consumer-1", NewConsumer)
	w.consume("shipper", "shipper", NewShipper)
	return w
}

// play places n orders and waits until all of them are packed.
func (w *measured) play(b *testing.B, n int) {
	b.Helper()
	slog.SetDefault(w.logs)
	var left atomic.Int64
	left.Store(int64(n))
	var mu sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	for range customers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				asked := time.Now()
				res, err := w.client.Post(w.shop+"/orders", "application/json", http.NoBody)
				if err != nil {
					b.Error(err)
					return
				}
				if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusAccepted {
					b.Errorf("%s, %v", res.Status, err)
				}
				mu.Lock()
				w.waits = append(w.waits, time.Since(asked))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	w.placed += n
	w.worked("shipper", w.placed)
	w.took += time.Since(began)
}

// BenchmarkTelemetry measures the same without the way: the nine spans and their measurements
// of one order, with no broker and no work between them. It is what a processor spends on being
// seen.
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
