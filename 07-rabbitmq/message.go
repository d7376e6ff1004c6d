package rabbitmq

import (
	"encoding/json"
	"fmt"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// OrderPlaced is the message type of this step, with the version of its body.
// It travels in a property of its own, so that a consumer knows whether it can
// read the body before it tries.
const OrderPlaced = "order.placed.v1"

const contentType = "application/json"

// encode writes the order as a message. A queue that is durable keeps only the
// messages that are persistent: it takes both to survive a restart.
func encode(order shop.Order) (amqp.Publishing, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("encode order %s: %w", order.ID, err)
	}
	return amqp.Publishing{
		Type:         OrderPlaced,
		ContentType:  contentType,
		DeliveryMode: amqp.Persistent,
		MessageId:    order.ID,
		Timestamp:    order.PlacedAt,
		Body:         body,
	}, nil
}

// decode reads the order from a message, or says why nobody can. What it returns
// with an error is what could still be read, for the log.
func decode(message amqp.Delivery) (shop.Order, error) {
	var order shop.Order
	if message.Type != OrderPlaced {
		// The body of another version may still say whose order it is.
		_ = json.Unmarshal(message.Body, &order)
		if id, err := shop.ParseID(order.ID); err == nil {
			order.ID = id.String()
		} else {
			order.ID = ""
		}
		return order, fmt.Errorf("message type %q: this consumer reads %q only",
			message.Type, OrderPlaced)
	}
	if err := json.Unmarshal(message.Body, &order); err != nil {
		return shop.Order{}, fmt.Errorf("body is not an order: %w", err)
	}
	id, err := shop.ParseID(order.ID)
	if err != nil {
		return shop.Order{}, fmt.Errorf("not a valid order: %w", err)
	}
	order.ID = id.String()
	if err := order.Validate(); err != nil {
		return order, fmt.Errorf("not a valid order: %w", err)
	}
	return order, nil
}
