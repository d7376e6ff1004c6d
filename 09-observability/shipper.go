package observability

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
)

// A parcel service comes when there is a batch for it, or after a while.
const (
	batchSize = 8
	batchWait = 50 * time.Millisecond
)

// NewShipper hears of e-mails that were sent and packs the parcels. The producer and the
// consumer know nothing of it: it is the second consumer of the architecture.
func NewShipper(b *Broker, t *Telemetry, s Settings) (*message.Router, error) {
	parcels := newBatcher(t.Tracing.tracer, batchSize, batchWait,
		func(ctx context.Context, events []Emailed) error {
			return shop.Work(ctx, shop.Order{ID: "parcels"}, s.Work/4)
		})
	pack := func(m *message.Message) ([]*message.Message, error) {
		event, err := decodeEmailed(m.Payload)
		if err != nil {
			return nil, err
		}
		if err := parcels.add(m.Context(), event); err != nil {
			return nil, err
		}
		slog.InfoContext(m.Context(), "parcel packed", orderKey, event.OrderID)
		return nil, nil
	}
	return NewRouter(b, t, s, EmailedTopic, "", pack)
}

func decodeEmailed(payload []byte) (Emailed, error) {
	var event Emailed
	if err := json.Unmarshal(payload, &event); err != nil {
		return event, unreadable(err)
	}
	id, err := shop.ParseID(event.OrderID)
	if err != nil {
		return event, unreadable(err)
	}
	event.OrderID = id.String()
	return event, nil
}
