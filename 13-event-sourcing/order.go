package eventsourcing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
)

// Order is the state of one order. It is stored nowhere: it is what the events of its
// stream add up to. What is sealed in them is sealed in it. The zero value is an order that
// nothing has happened to.
type Order struct {
	ID        uuid.UUID   `json:"order_id"`
	Version   int         `json:"version"` // how many events it is made of
	Status    Status      `json:"status"`
	UserEmail string      `json:"user_email"`
	Currency  string      `json:"currency"`
	Items     []shop.Item `json:"items"`
	PlacedAt  time.Time   `json:"placed_at"`
	Reason    string      `json:"reason,omitempty"` // why it was cancelled

	// The address and the reason, as the log has them: see forget.go.
	SealedEmail  Sealed `json:"sealed_email,omitzero"`
	SealedReason Sealed `json:"sealed_reason,omitzero"`
}

// Status is where an order is in its life.
type Status string

// An order without a status was never placed.
const (
	Placed    Status = "placed"
	Cancelled Status = "cancelled"
)

// TotalCents is what the customer pays, in cents of Currency.
func (o Order) TotalCents() int64 { return shop.Order{Items: o.Items}.TotalCents() }

// ErrHistory marks a stream that cannot have come about by decisions.
var ErrHistory = errors.New("this cannot have happened")

// Evolve returns the order after one more event. It asks nobody and decides nothing:
// what is in the log has happened. To fold is to do this with all events of a stream.
func (o Order) Evolve(e Event) (Order, error) {
	if placed, ok := e.(OrderPlaced); ok && o.Status == "" {
		o.Status, o.UserEmail, o.Currency = Placed, placed.UserEmail, placed.Currency
		o.Items, o.PlacedAt, o.SealedEmail = placed.Items, placed.PlacedAt, placed.Personal
		o.Version++
		return o, nil
	}
	if o.Status != Placed {
		return o, fmt.Errorf("%w: %s to an order whose status is %q", ErrHistory, e.Kind(), o.Status)
	}
	switch e := e.(type) {
	case ItemsAdded:
		o.Items = slices.Concat(o.Items, e.Items)
	case OrderCancelled:
		o.Status, o.Reason, o.SealedReason = Cancelled, e.Reason, e.Personal
	default:
		return o, fmt.Errorf("%w: %s to an order that is placed already", ErrHistory, e.Kind())
	}
	o.Version++
	return o, nil
}

// Command is what a customer wants. It may be refused; an event may not.
type Command interface{ command() }

// The commands.
type (
	PlaceOrder  struct{ Order shop.Order }
	AddItems    struct{ Items []shop.Item }
	CancelOrder struct{ Reason string }
)

func (PlaceOrder) command()  {}
func (AddItems) command()    {}
func (CancelOrder) command() {}

// Why a command is refused.
var (
	ErrNoOrder   = errors.New("there is no such order")
	ErrPlaced    = errors.New("the order is placed already")
	ErrCancelled = errors.New("the order was cancelled")
	ErrTooLarge  = fmt.Errorf("an order has at most %d items", shop.MaxItems)
)

// Decide returns what happens when the customer of the order o asks for c, or why nothing
// does. It is a pure function: the same order and the same command, the same answer. That
// is what makes it easy to test, and safe to ask again when another was faster.
func (o Order) Decide(c Command) ([]Event, error) {
	if place, ok := c.(PlaceOrder); ok {
		if o.Status != "" {
			return nil, ErrPlaced
		}
		return []Event{OrderPlaced{
			UserEmail: place.Order.UserEmail, Currency: "EUR",
			Items: place.Order.Items, PlacedAt: place.Order.PlacedAt,
		}}, nil
	}
	switch o.Status {
	case "":
		return nil, ErrNoOrder
	case Cancelled:
		return nil, ErrCancelled
	}
	switch c := c.(type) {
	case AddItems:
		if len(o.Items)+len(c.Items) > shop.MaxItems {
			return nil, ErrTooLarge
		}
		return []Event{ItemsAdded(c)}, nil
	case CancelOrder:
		// The items go along: who counts pieces need not remember every order.
		return []Event{OrderCancelled{Reason: c.Reason, Items: o.Items}}, nil
	}
	return nil, fmt.Errorf("no decision is known for %T", c)
}
