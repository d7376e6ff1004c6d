package observability

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

// maxHeaders is how many bytes of a stranger's headers are read. All headers of a message must
// fit into one frame, of 128 KiB by default, also when the message is published again: a frame
// that is larger makes the broker close the connection.
const maxHeaders = 32 << 10

// ofTheQueue are headers that are not the message's own: the first two count in the queue it came
// from, for the others the broker would send copies elsewhere.
var ofTheQueue = []string{"x-delivery-count", "x-acquired-count", "CC", "BCC"}

// marshal writes Watermill's message as one of AMQP. A durable queue keeps only what is
// persistent.
func marshal(m *message.Message) amqp.Publishing {
	headers := make(amqp.Table, len(m.Metadata))
	for key, value := range m.Metadata {
		headers[key] = value
	}
	return amqp.Publishing{
		MessageId: short(m.UUID), CorrelationId: short(middleware.MessageCorrelationID(m)),
		ContentType: "application/json", DeliveryMode: amqp.Persistent,
		Headers: headers, Body: m.Payload,
	}
}

// short is what fits into a property of AMQP.
func short(text string) string { return text[:min(len(text), 255)] }

// unmarshal reads it. Headers that are no text, such as those of a quorum queue, are written as
// text: Watermill's own marshaler refuses such a message, gets it again and refuses it again.
func unmarshal(d amqp.Delivery) *message.Message {
	m := message.NewMessage(d.MessageId, d.Body)
	if d.CorrelationId != "" {
		middleware.SetCorrelationID(d.CorrelationId, m)
	}
	room := maxHeaders
	for _, key := range slices.Sorted(maps.Keys(d.Headers)) {
		value := fmt.Sprint(d.Headers[key])
		size := len(key) + len(value) + 16
		if slices.Contains(ofTheQueue, key) || size > room {
			continue
		}
		room -= size
		m.Metadata.Set(key, value)
	}
	return m
}

// delivery is what the context of a message knows of its way here.
type delivery struct {
	tag      uint64
	free     func() // the hand for the next message
	attempts int

	creation trace.SpanContext // of whoever published it
	received trace.SpanContext // of our receive span
}

type deliveryKey struct{}

// withDelivery does not end with ctx: what is in progress is finished.
func withDelivery(ctx context.Context, d *delivery) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), deliveryKey{}, d)
}

// deliveryOf never returns nil: a message that did not come from a queue has one of its own.
func deliveryOf(ctx context.Context) *delivery {
	if d, ok := ctx.Value(deliveryKey{}).(*delivery); ok {
		return d
	}
	return &delivery{free: func() {}}
}
