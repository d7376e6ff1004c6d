package observability

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	telemetry func(*Telemetry)
	handler   func(Settings, Handler) Handler
}

var variants = map[string]variant{
	"":                 {},
	"right":            {},
	"no-propagation":   {telemetry: noPropagation},
	"no-flush":         {telemetry: noFlush},
	"high-cardinality": {telemetry: highCardinality},
	"slow-and-failing": {handler: slowAndFailing},
	"riddle":           {handler: riddle},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// noPropagation does not send the span's context along. Every process still draws its spans,
// and each of them looks fine.
//
// What goes wrong: the trace stops at the queue. Three traces stand side by side, and nothing
// says that they are about one order.
func noPropagation(t *Telemetry) {
	t.Tracing.propagator = propagation.NewCompositeTextMapPropagator()
}

// noFlush leaves without sending what waits in the batches. It is what an os.Exit, a log.Fatal
// or a forgotten defer does.
//
// What goes wrong: the last seconds before an exit are missing, and those are what everybody
// wants to see.
func noFlush(t *Telemetry) { t.quiet = true }

// highCardinality puts the order's identity on every measurement. It seems so useful: now the
// dashboard can be asked for one order.
//
// What goes wrong: each order makes a series of its own in every metric, in this process and in
// the database, and none of them ever ends. What happened to one order is a question for a
// trace.
func highCardinality(t *Telemetry) {
	t.Metrics.labels = func(order string, few attribute.Set) metric.MeasurementOption {
		return metric.WithAttributes(append(few.ToSlice(), attribute.String(orderKey, order))...)
	}
}

// errMailServer is what the failing consumer says of its mail server.
var errMailServer = errors.New("dial tcp 10.0.0.25:25: connection refused")

// slowAndFailing is no mistake in the code but two in the world: the second consumer has a slow
// disk, and the third cannot reach its mail server in two of three attempts. Nothing is lost
// and hardly anything fails, because the retries see to it. All the ledger shows is that orders
// take long.
//
// It is there to be found, with nothing but the page of the receiver.
func slowAndFailing(s Settings, next Handler) Handler {
	var attempts atomic.Int64
	return func(m *message.Message) ([]*message.Message, error) {
		switch {
		case strings.HasSuffix(s.Process, "-2"):
			if err := shop.Work(m.Context(), shop.Order{ID: m.UUID}, 10*s.Work); err != nil {
				return nil, err
			}
		case strings.HasSuffix(s.Process, "-3"):
			if attempts.Add(1)%3 != 0 {
				return nil, errMailServer
			}
		}
		return next(m)
	}
}

// riddle gives one of the consumers the fault of exercise 09.4. Which one it is does not stand
// here: the receiver's page says it.
func riddle(s Settings, next Handler) Handler {
	process := fnv.New32a()
	process.Write([]byte(s.Process))
	if process.Sum32() != 0xd483aee7 {
		return next
	}
	return func(m *message.Message) ([]*message.Message, error) {
		events, err := next(m)
		for _, e := range events {
			events = append(events, e.Copy())
		}
		return events, err
	}
}
