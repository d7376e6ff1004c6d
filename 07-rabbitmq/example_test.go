package rabbitmq

import (
	"fmt"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// An order on the wire: the body is for the consumer, the properties are for
// everybody on the way.
func Example_message() {
	message, err := encode(shop.Order{
		ID:        "0199d3a0-7c1e-7000-8000-000000000007",
		UserEmail: "ada@example.com",
		Items:     []shop.Item{{SKU: "MUG-CHAN", Quantity: 2, PriceCents: 1250}},
		PlacedAt:  time.Date(2026, time.May, 4, 9, 30, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("type:        ", message.Type)
	fmt.Println("content type:", message.ContentType)
	fmt.Println("message id:  ", message.MessageId)
	fmt.Println("persistent:  ", message.DeliveryMode == amqp.Persistent)
	fmt.Println(string(message.Body))
	// Output:
	// type:         order.placed.v1
	// content type: application/json
	// message id:   0199d3a0-7c1e-7000-8000-000000000007
	// persistent:   true
	// {"order_id":"0199d3a0-7c1e-7000-8000-000000000007","user_email":"ada@example.com","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-05-04T09:30:00Z"}
}

// A poison message is one that no retry can mend. The consumer says why it
// cannot read it: this is what ends up in the dead letter's x-reason header.
func Example_poison() {
	for _, message := range []amqp.Delivery{
		{Type: "order.placed.v1", Body: []byte("hello")},
		{Type: "order.placed.v2", Body: []byte(`{"order_id": "7"}`)},
		{Type: "order.placed.v1", Body: []byte(`{"order_id": "7", "user_email": "ada"}`)},
		{Type: "order.placed.v1", Body: []byte(
			`{"order_id": "0199d3a0-7c1e-7000-8000-000000000007", "user_email": "ada"}`)},
	} {
		_, err := decode(message)
		fmt.Println(err)
	}
	// Output:
	// body is not an order: invalid character 'h' looking for beginning of value
	// message type "order.placed.v2": this consumer reads "order.placed.v1" only
	// order_id: "7" is no UUID: invalid UUID length: 1
	// not a valid order: user_email: "ada" is not an e-mail address
}

// How often a message has been here before is a matter of the broker's version.
func Example_attempts() {
	fmt.Println(attemptOf(amqp.Delivery{}))
	// RabbitMQ 3.10, the second time.
	fmt.Println(attemptOf(amqp.Delivery{Redelivered: true,
		Headers: amqp.Table{"x-delivery-count": int64(1)}}))
	// RabbitMQ 4.3, after two consumers died with it in hand.
	fmt.Println(attemptOf(amqp.Delivery{Redelivered: true,
		Headers: amqp.Table{"x-acquired-count": int64(2)}}))
	// Output:
	// 1
	// 2
	// 3
}
