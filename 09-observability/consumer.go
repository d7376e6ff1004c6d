package observability

import (
	"encoding/json"
	"fmt"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// Emailed is the follow-up event: the customer of an order has been told.
type Emailed struct {
	OrderID   string    `json:"order_id"`
	UserEmail string    `json:"user_email"`
	At        time.Time `json:"at"`
}

// NewConsumer takes orders, sends the e-mails and publishes that they were sent.
func NewConsumer(b *Broker, t *Telemetry, s Settings) (*message.Router, error) {
	send := emails(t, s)
	if change := variants[s.Variant].handler; change != nil {
		send = change(s, send)
	}
	return NewRouter(b, t, s, OrdersTopic, EmailedTopic, send)
}

// emails is all that is left of a consumer once a framework does the rest.
func emails(t *Telemetry, s Settings) Handler {
	return func(m *message.Message) ([]*message.Message, error) {
		order, err := decodeOrder(m.Payload)
		if err != nil {
			return nil, err
		}
		ctx := m.Context()
		shop.Received(ctx, order.ID, Attempt(ctx))
		if err := shop.Work(ctx, order, s.Work); err != nil {
			return nil, err
		}
		shop.Processed(ctx, order.ID)
		t.processed(ctx, order)
		event, err := json.Marshal(Emailed{order.ID, order.UserEmail, time.Now().UTC()})
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", order.ID, err)
		}
		follows := message.NewMessage(watermill.NewUUID(), event)
		middleware.SetCorrelationID(order.ID, follows) // whatever a stranger wrote beside it
		return []*message.Message{follows}, nil
	}
}

func decodeOrder(payload []byte) (shop.Order, error) {
	var order shop.Order
	if err := json.Unmarshal(payload, &order); err != nil {
		return order, unreadable(err)
	}
	if err := order.Validate(); err != nil {
		return order, unreadable(err)
	}
	id, err := shop.ParseID(order.ID)
	if err != nil {
		return order, unreadable(err)
	}
	order.ID = id.String()
	return order, nil
}
