package rabbitmq

import (
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Whatever somebody writes to the queue, the others are not held up.
func TestStrangersMessages(t *testing.T) {
	servicestest.Strangers(t, servicestest.WorkQueue{
		Package: "./consumer", Queue: OrdersQueue, Dead: DeadLetterQueue, JSON: true,
		Order: func(t testing.TB) (string, amqp.Publishing) {
			order := newOrder(t, shop.SampleEmail)
			message, err := encode(order)
			if err != nil {
				t.Fatal(err)
			}
			return order.ID, message
		},
	})
}
