package shop

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of an order. They are generous for a shop and small enough that no
// single order can hold a consumer up for long.
const (
	MaxItems      = 200
	MaxQuantity   = 1_000
	MaxPriceCents = 100_000_000
	maxSKU        = 64
	maxEmail      = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets
)

// BounceDomain is the domain to which no e-mail can be delivered: [Work] fails
// for an order of a customer there, every time. It is how a lecturer makes a
// consumer fail on purpose. The name is reserved for tests (RFC 6761).
const BounceDomain = "bounce.test"

// Order is one purchase. It is a plain value: copy it freely.
type Order struct {
	ID        string    `json:"order_id"`
	UserEmail string    `json:"user_email"`
	Items     []Item    `json:"items"`
	PlacedAt  time.Time `json:"placed_at"`
}

// Item is one line of an order.
type Item struct {
	SKU        string `json:"sku"`
	Quantity   int    `json:"quantity"`
	PriceCents int64  `json:"price_cents"` // for one piece, in euro cents
}

// TotalCents is what the customer pays, in euro cents. The bounds that
// [Order.Validate] checks keep it far from overflow.
func (o Order) TotalCents() int64 {
	var total int64
	for _, item := range o.Items {
		total += int64(item.Quantity) * item.PriceCents
	}
	return total
}

// NewOrder gives the order an identity and a time. The identity is a UUID of
// version 7 (RFC 9562): unique without asking anyone, and sorted by time, which
// is kind to the index of a database table.
func NewOrder(email string, items ...Item) (Order, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Order{}, fmt.Errorf("make an order id: %w", err)
	}
	return Order{
		ID:        id.String(),
		UserEmail: email,
		Items:     items,
		PlacedAt:  time.Now().UTC().Truncate(time.Millisecond),
	}, nil
}

// ParseID reads the identity of an order that came from outside. One UUID has several
// spellings (upper case, braces, urn:uuid:, no dashes): whoever compares or stores the
// text would take them for several orders, so the result has only one. The error is a
// [*FieldError] of the field order_id and quotes little of what came.
func ParseID(text string) (uuid.UUID, error) {
	// Parse alone takes any two characters for braces.
	if err := uuid.Validate(text); err != nil {
		return uuid.Nil, fieldf("order_id", "%.80q is not a UUID", text)
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, fieldf("order_id", "%.80q is not a UUID", text)
	}
	return id, nil
}

// SampleItems is what a request without a body buys.
func SampleItems() []Item {
	return []Item{
		{SKU: "GO-GOPHER", Quantity: 1, PriceCents: 1999},
		{SKU: "MUG-CHAN", Quantity: 2, PriceCents: 1250},
	}
}

// SampleEmail is the customer of a request without a body.
const SampleEmail = "ada@example.com"

// FieldError says which field of an order is wrong, and why. Its text is made
// for the customer who sent it.
type FieldError struct {
	Field   string // as in the JSON: items[2].quantity
	Problem string // what is wrong with it and what would be right
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func fieldf(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Validate reports the first thing that is wrong with the order, as a
// [*FieldError], or nil. The identity is not checked: the counter gives it, and a
// consumer reads it with [ParseID].
func (o Order) Validate() error {
	if err := validateEmail(o.UserEmail); err != nil {
		return err
	}
	return ValidateItems(o.Items)
}

// ValidateItems reports the first thing that is wrong with the items of an order, as a
// [*FieldError], or nil.
func ValidateItems(items []Item) error {
	if n := len(items); n < 1 || n > MaxItems {
		return fieldf("items", "must hold 1 to %d items, has %d", MaxItems, n)
	}
	for i, item := range items {
		if err := item.validate(i); err != nil {
			return err
		}
	}
	return nil
}

func validateEmail(email string) error {
	if email == "" {
		return fieldf("user_email", "is missing")
	}
	if len(email) > maxEmail {
		return fieldf("user_email", "is longer than %d characters", maxEmail)
	}
	// ParseAddress also takes "Ada <ada@example.com>": only the bare form is
	// an address that a mail server would take as a recipient.
	// A replacement character is what encoding/json makes of bytes that are not UTF-8.
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || strings.ContainsRune(email, utf8.RuneError) {
		return fieldf("user_email", "%q is not an e-mail address", email)
	}
	return nil
}

// validate checks the item at a place in the order.
func (i Item) validate(at int) error {
	switch {
	case strings.TrimSpace(i.SKU) == "":
		return itemf(at, "sku", "is missing")
	case len(i.SKU) > maxSKU:
		return itemf(at, "sku", "is longer than %d characters", maxSKU)
	case strings.ContainsFunc(i.SKU, unicode.IsControl):
		// A database takes no NUL in a text, and a log no second line.
		return itemf(at, "sku", "%q contains a control character", i.SKU)
	case i.Quantity < 1 || i.Quantity > MaxQuantity:
		return itemf(at, "quantity", "must be 1 to %d, is %d", MaxQuantity, i.Quantity)
	case i.PriceCents < 0 || i.PriceCents > MaxPriceCents:
		return itemf(at, "price_cents", "must be 0 to %d, is %d", MaxPriceCents, i.PriceCents)
	}
	return nil
}

func itemf(at int, field, format string, args ...any) error {
	return fieldf(fmt.Sprintf("items[%d].%s", at, field), format, args...)
}
