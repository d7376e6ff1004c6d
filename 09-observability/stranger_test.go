package observability

import (
	"encoding/json"
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Whatever somebody writes to the queue, the others are not held up.
func TestStrangersMessages(t *testing.T) {
	servicestest.Strangers(t, servicestest.WorkQueue{
		Package: "./consumer", Queue: OrdersTopic, Dead: PoisonTopic, JSON: true,
		Reason: middleware.ReasonForPoisonedKey,
		Order: func(t testing.TB) (string, amqp.Publishing) {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			must(t, err)
			body, err := json.Marshal(order)
			must(t, err)
			m := message.NewMessage(watermill.NewUUID(), body)
			middleware.SetCorrelationID(order.ID, m)
			return order.ID, marshal(m)
		},
	})
}
