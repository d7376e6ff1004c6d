package serialization

import (
	"fmt"
	"time"
	"unicode/utf8"

	"course.example/shop"
)

// The versions of the event that this program knows.
const (
	Oldest  = 1
	Current = 2
)

// OrderPlaced is the event: a customer has placed an order. It is version 2, the
// current one, as a Go program sees it; what it looks like in bytes depends on
// the [Codec]. The formats that go by a struct's fields (all but Protobuf)
// take their names from these tags.
type OrderPlaced struct {
	OrderID string `json:"order_id"`
	// OrderNumber uses all of its 64 bits. JSON has only "number", and many
	// readers, every JavaScript among them, make a float64 of that, which holds
	// 53 bits exactly. In quotes it survives (RFC 7493, section 2.2).
	OrderNumber int64     `json:"order_number,string"`
	UserEmail   string    `json:"user_email"` // deprecated since 2: see Contact
	Items       []Item    `json:"items"`
	PlacedAt    time.Time `json:"placed_at"`
	Channel     Channel   `json:"channel"`
	Payment     Payment   `json:"payment"`
	Contact     *Contact  `json:"contact,omitempty"` // since 2
}

// Item is one line of the order.
type Item struct {
	SKU        string `json:"sku"`
	Quantity   int32  `json:"quantity"`
	PriceCents int64  `json:"price_cents"`
}

// Channel is where the order was placed. It is open: a reader meets values that
// were not there when it was written, and must have an answer to them.
type Channel string

// The channels of version 2.
const (
	Web   Channel = "web"
	Phone Channel = "phone"
	App   Channel = "app" // since 2
)

// Payment is a oneof: at most one of its fields is set. To a reader that is older
// than the way of payment, none is, and that must not mean "free of charge".
type Payment struct {
	Card    *Card    `json:"card,omitempty"`
	Invoice *Invoice `json:"invoice,omitempty"`
	Wallet  *Wallet  `json:"wallet,omitempty"` // since 2
}

// Card is a payment by credit card.
type Card struct {
	Last4 string `json:"last4"`
}

// Invoice is a payment on account.
type Invoice struct {
	DueDays int32 `json:"due_days"`
}

// Wallet is a payment by telephone.
type Wallet struct {
	Provider string `json:"provider"`
}

// Contact is how to reach the customer. It takes the place of UserEmail, which
// goes on being written until the last reader of version 1 is gone: expand
// first, contract later.
type Contact struct {
	Email string `json:"email"`
	Phone string `json:"phone,omitempty"`
}

// Email is the customer's address, wherever the writer's version has put it.
func (e OrderPlaced) Email() string {
	if e.Contact != nil && e.Contact.Email != "" {
		return e.Contact.Email
	}
	return e.UserEmail
}

// Order is what the shop's work needs of the event.
func (e OrderPlaced) Order() shop.Order {
	items := make([]shop.Item, len(e.Items))
	for i, it := range e.Items {
		items[i] = shop.Item{SKU: it.SKU, Quantity: int(it.Quantity), PriceCents: it.PriceCents}
	}
	return shop.Order{ID: e.OrderID, UserEmail: e.Email(), Items: items, PlacedAt: e.PlacedAt}
}

// Validate says what is wrong with the event, or nil. Bytes that decode are not
// yet an order: a field that is missing is empty, in every format of this step,
// and none of them says so.
func (e OrderPlaced) Validate() error {
	switch {
	case e.OrderID == "":
		return &shop.FieldError{Field: "order_id", Problem: "is missing"}
	case e.OrderNumber <= 0:
		return &shop.FieldError{Field: "order_number",
			Problem: fmt.Sprintf("must be positive, is %d", e.OrderNumber)}
	case e.PlacedAt.IsZero():
		return &shop.FieldError{Field: "placed_at", Problem: "is missing"}
	}
	// JSON, Protobuf and CBOR refuse what is not UTF-8, MessagePack and gob do not.
	texts := []string{e.OrderID, e.UserEmail, string(e.Channel)}
	for _, item := range e.Items {
		texts = append(texts, item.SKU)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not UTF-8", text)
		}
	}
	return e.Order().Validate()
}
