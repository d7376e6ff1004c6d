package main

import (
	"encoding/json"
	"time"

	observability "course.example/09-observability"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

type orderConsumer struct{ tracer trace.Tracer }

// Consume sends the e-mail for an order. What it returns, the router publishes.
func (c orderConsumer) Consume(m *message.Message) ([]*message.Message, error) {
	var order shop.Order
	if err := json.Unmarshal(m.Payload, &order); err != nil {
		return nil, err
	}
	ctx, span := c.tracer.Start(m.Context(), "process orders")
	defer span.End()
	span.SetAttributes(attribute.String("order", order.ID))
	shop.Received(ctx, order.ID, 1)
	if err := shop.Work(ctx, order, 20*time.Millisecond); err != nil {
		return nil, err
	}
	shop.Processed(ctx, order.ID)
	event, err := json.Marshal(observability.Emailed{OrderID: order.ID, At: time.Now()})
	return []*message.Message{message.NewMessage(watermill.NewUUID(), event)}, err
}
