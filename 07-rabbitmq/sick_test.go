package rabbitmq

import (
	"testing"

	"course.example/lab/services/servicestest"
)

// Whatever happens to the broker, nobody waits without end and nothing is lost.
func TestSickBroker(t *testing.T) {
	servicestest.SickRabbitMQ(t, servicestest.Shop{
		Door: "./producer", Others: []string{"./consumer"}, Queue: OrdersQueue,
	})
}
