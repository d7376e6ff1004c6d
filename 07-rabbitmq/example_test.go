package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
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
	// not a valid order: order_id: "7" is not a UUID
	// not a valid order: user_email: "ada" is not an e-mail address
}

// How often a message has been here before is a matter of the broker's version.
func Example_attempts() {
	fmt.Println(attemptOf(amqp.Delivery{}))
	// RabbitMQ 3.10, the second time.
	fmt.Println(attemptOf(amqp.Delivery{Redelivered: true,
		Headers: amqp.Table{"x-delivery-count": int64(1)}}))
	// RabbitMQ 4.3, after two consumers died with it in progress.
	fmt.Println(attemptOf(amqp.Delivery{Redelivered: true,
		Headers: amqp.Table{"x-acquired-count": int64(2)}}))
	// Output:
	// 1
	// 2
	// 3
}

// The order is accepted when the broker has confirmed it, and done when a consumer has worked on it.
func ExamplePublisher_Publish() {
	servicestest.Example(func(t testing.TB) {
		s, order := onBroker(t), newOrder(t, shop.SampleEmail)
		fmt.Println(NewPublisher(s).Ready(t.Context())) // it does not run

		p, _ := publisher(t, s)
		fmt.Println("confirmed:", p.Publish(t.Context(), order))
		done := make(chan string, 1)
		start(t, NewSubscriber(s, func(_ context.Context, o shop.Order) error {
			done <- o.ID
			return nil
		}).Run)
		fmt.Println("done:", receive(t, "order", done) == order.ID)
	})
	// Output:
	// not connected to the broker yet
	// confirmed: <nil>
	// done: true
}

// What nobody can read does not stop the others: it goes to the dead-letter queue, with the reason.
func ExampleSubscriber_deadLetter() {
	servicestest.Example(func(t testing.TB) {
		s := onBroker(t)
		conn, err := connect(t.Context(), s, "example", quorumOrders)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.close() })
		poison := amqp.Publishing{Type: "order.placed.v1", Body: []byte("hello")}
		err = conn.channel.Publish(amqp.DefaultExchange, OrdersQueue, true, false, poison)
		if err != nil {
			t.Fatal(err)
		}
		noWork := func(context.Context, shop.Order) error { return nil }
		start(t, NewSubscriber(s, noWork).Run)
		letters, err := conn.channel.Consume(DeadLetterQueue, "", true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		letter := receive(t, "dead letter", letters)
		fmt.Printf("%s: %s\n", letter.Body, letter.Headers[HeaderReason])
	})
	// Output: hello: body is not an order: invalid character 'h' looking for beginning of value
}

// A consumer that dies before it acknowledges loses nothing: the message comes again, to another.
func Example_redelivery() {
	servicestest.Example(func(t testing.TB) {
		s := onBroker(t)
		p, _ := publisher(t, s)
		if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
			t.Fatal(err)
		}
		for _, consumer := range []string{"first", "second"} {
			conn, err := connect(t.Context(), s, consumer, quorumOrders)
			if err != nil {
				t.Fatal(err)
			}
			orders, err := conn.channel.Consume(OrdersQueue, "", false, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(consumer, "redelivered:", receive(t, "order", orders).Redelivered)
			_ = conn.close() // and it has not acknowledged
		}
	})
	// Output:
	// first redelivered: false
	// second redelivered: true
}

// The prefetch is how many messages a consumer has without having acknowledged them. The others wait
// in the queue, for whoever comes next.
func Example_prefetch() {
	servicestest.Example(func(t testing.TB) {
		s := onBroker(t)
		p, _ := publisher(t, s)
		for range 5 {
			if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := connect(t.Context(), s, "example", quorumOrders)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.close() })
		if err := conn.channel.Qos(2, 0, false); err != nil {
			t.Fatal(err)
		}
		orders, err := conn.channel.Consume(OrdersQueue, "", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		receive(t, "first order", orders)
		second := receive(t, "second order", orders)
		queue, err := conn.channel.QueueDeclarePassive(OrdersQueue, true, false, false, false, nil)
		fmt.Println("in the queue:", queue.Messages, err)
		_ = second.Ack(true) // and with it the first
		receive(t, "third order", orders)
	})
	// Output: in the queue: 3 <nil>
}
