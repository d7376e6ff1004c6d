package saga

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"course.example/shop"
)

// Kind says what a message is about. It is also the routing key. An imperative
// is a command: one service is to do it. A past participle is an event: it has
// happened, and whoever cares may react.
type Kind string

// What is said beside the three services' own messages.
const (
	OrderPlaced Kind = "order.placed" // the website has a new order
	SagaMoved   Kind = "saga.moved"   // the orchestrator tells the website of new states
	Resume      Kind = "saga.resume"  // an operator: try a parked saga again
	Timeout     Kind = "saga.timeout" // a deadline has passed; never leaves the process
)

// The messages of the payment service.
const (
	ChargePayment   Kind = "payment.charge"
	PaymentCharged  Kind = "payment.charged"
	PaymentRefused  Kind = "payment.refused"
	RefundPayment   Kind = "payment.refund"
	PaymentRefunded Kind = "payment.refunded"
	RefundFailed    Kind = "payment.refund-failed"
)

// The messages of the inventory service.
const (
	ReserveStock  Kind = "inventory.reserve"
	StockReserved Kind = "inventory.reserved"
	StockRefused  Kind = "inventory.refused"
	ReleaseStock  Kind = "inventory.release"
	StockReleased Kind = "inventory.released"
	ReleaseFailed Kind = "inventory.release-failed"
)

// The messages of the shipping service.
const (
	ShipOrder        Kind = "shipping.ship"
	OrderShipped     Kind = "shipping.shipped"
	ShippingRefused  Kind = "shipping.refused"
	RecallShipment   Kind = "shipping.recall"
	ShipmentRecalled Kind = "shipping.recalled"
	RecallFailed     Kind = "shipping.recall-failed"
)

// Message is what the programs say to each other. All of it is JSON on the wire.
type Message struct {
	// ID is the same each time the same message is sent. It is made from what
	// caused it. Nobody needs it to be right: it is for people who follow a
	// message through the logs.
	ID    string     `json:"id"`
	Kind  Kind       `json:"kind"`
	Order shop.Order `json:"order,omitzero"`
	// Reason is why something was refused. It travels with all that follows.
	Reason string `json:"reason,omitempty"`
	// Version belongs to Timeout: the deadline of which state.
	Version int `json:"version,omitempty"`
	// ByHand says that an operator has found another way to do what failed.
	ByHand bool `json:"by_hand,omitempty"`
	// Key is the idempotency key of a command that is not sent as a message: see [Direct].
	// Without one it is the order's identity, of which a service decides once.
	Key string `json:"-"`
	// Moves belong to SagaMoved: all that a transaction has moved, in one message.
	Moves  []Move    `json:"moves,omitempty"`
	SentAt time.Time `json:"sent_at"`

	// Of a message in the outbox: its row, and what it is on the wire.
	seq  int64
	body []byte
}

// Move is a saga's way into a state, as the website shows it.
type Move struct {
	OrderID string    `json:"order_id"`
	Version int       `json:"version"` // the later of two wins
	By      Kind      `json:"by"`
	State   State     `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// key is by what a service knows a command that comes again.
func (m Message) key() string { return cmp.Or(m.Key, m.Order.ID) }

// answer is a message that m caused.
func (m Message) answer(kind Kind, reason string) Message {
	if reason == "" {
		reason = m.Reason
	}
	return Message{ID: m.ID + ">" + string(kind), Kind: kind, Order: m.Order, Reason: cut(reason)}
}

// decode reads a message and believes none of it: the identity is a UUID in its
// one canonical form, and the order is one that the shop's own door would take.
func decode(contentType string, body []byte) (Message, error) {
	var m Message
	media, params, err := mime.ParseMediaType(contentType)
	switch charset := strings.ToLower(params["charset"]); {
	case contentType == "":
	case err != nil || media != "application/json":
		return m, fmt.Errorf("content type %q: want application/json", contentType)
	case charset != "" && charset != "utf-8":
		return m, fmt.Errorf("charset %q: want utf-8", charset)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("not a message of this shop: %w", err)
	}
	switch {
	case m.ID == "" || m.Kind == "":
		return m, fmt.Errorf("a message needs an id and a kind: %.80q", body)
	case len(m.ID) > longestReason || len(m.Reason) > longestReason:
		return m, fmt.Errorf("an id or a reason of more than %d bytes", longestReason)
	}
	if m.Kind == SagaMoved {
		for i := range m.Moves {
			if m.Moves[i].OrderID, err = canonical(m.Moves[i].OrderID); err != nil {
				return m, err
			}
		}
		return m, nil
	}
	if m.Order.ID, err = canonical(m.Order.ID); err != nil {
		return m, err
	}
	return m, m.Order.Validate()
}

// canonical is the one form of an identity: a database and a map must not take
// two ways to write the same UUID for two orders.
func canonical(id string) (string, error) {
	parsed, err := shop.ParseID(id)
	if err != nil {
		return "", err
	}
	return parsed.String(), nil
}

// longestReason bounds what is passed on of an error, in bytes. An error may quote
// all of a message, and must not make the next one too large to be sent.
const longestReason = 1 << 10

// cut shortens a reason between two characters, and leaves out what a log or a
// database does not take in a text.
func cut(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, "?"))
	if len(reason) <= longestReason {
		return reason
	}
	end := longestReason
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}
