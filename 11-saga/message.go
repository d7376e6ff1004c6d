package saga

import (
	"encoding/json"
	"fmt"
	"time"

	"course.example/shop"
)

// Kind says what a message is about. It is also the routing key. An imperative
// is a command: one service is to do it. A past participle is an event: it has
// happened, and whoever cares may react.
type Kind string

// What is said beside the three services' own messages.
const (
	OrderPlaced Kind = "order.placed" // the website has a new order
	SagaMoved   Kind = "saga.moved"   // the orchestrator tells the website of a new state
	Resume      Kind = "saga.resume"  // an operator: try a parked saga again
	Timeout     Kind = "saga.timeout" // a deadline has passed; never leaves the process
)

// The messages of the payment service.
const (
	ChargePayment  Kind = "payment.charge"
	PaymentCharged Kind = "payment.charged"
	PaymentRefused Kind = "payment.refused"
	RefundPayment  Kind = "payment.refund"
	PaymentRefund  Kind = "payment.refunded"
	RefundFailed   Kind = "payment.refund-failed"
)

// The messages of the inventory service.
const (
	ReserveStock  Kind = "inventory.reserve"
	StockReserved Kind = "inventory.reserved"
	StockRefused  Kind = "inventory.refused"
	ReleaseStock  Kind = "inventory.release"
	StockReleased Kind = "inventory.released"
)

// The messages of the shipping service.
const (
	ShipOrder       Kind = "shipping.ship"
	OrderShipped    Kind = "shipping.shipped"
	ShippingRefused Kind = "shipping.refused"
	RecallShipment  Kind = "shipping.recall"
	ShipmentRecall  Kind = "shipping.recalled"
)

// Message is what the programs say to each other. All of it is JSON on the wire.
type Message struct {
	// ID is the same each time the same message is sent. It is made from what
	// caused it, so that a program which does something twice says it twice with
	// one ID, and the receiver's inbox knows.
	ID    string     `json:"id"`
	Kind  Kind       `json:"kind"`
	Order shop.Order `json:"order"`
	// Reason is why something was refused. It travels with all that follows.
	Reason string `json:"reason,omitempty"`
	// State and Version belong to SagaMoved; Version to Timeout, too.
	State   State `json:"state,omitempty"`
	Version int   `json:"version,omitempty"`
	// ByHand says that an operator has found another way to do what failed.
	ByHand bool      `json:"by_hand,omitempty"`
	SentAt time.Time `json:"sent_at"`
}

// answer is a message that m caused.
func (m Message) answer(kind Kind, reason string) Message {
	if reason == "" {
		reason = m.Reason
	}
	return Message{ID: m.ID + ">" + string(kind), Kind: kind, Order: m.Order, Reason: reason}
}

func decode(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("not a message of this shop: %w", err)
	}
	if m.ID == "" || m.Kind == "" || m.Order.ID == "" {
		return m, fmt.Errorf("a message needs an id, a kind and an order: %.80q", body)
	}
	return m, nil
}
