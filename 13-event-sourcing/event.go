package eventsourcing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"course.example/shop"
)

// Event is something that has happened to an order. Its name is in the past tense.
type Event interface {
	// Kind is its name, and the newest version of its body.
	Kind() Kind
	validate() error
}

// Kind is what an event says and how: a name, and the version of the body (its schema).
// Both stand in columns of their own, so that a reader knows whether it can read the
// body before it tries.
type Kind struct {
	Name   string
	Schema int
}

func (k Kind) String() string { return fmt.Sprintf("%s v%d", k.Name, k.Schema) }

// The events of an order, as this version of the program knows them.
type (
	OrderPlaced struct {
		UserEmail string      `json:"user_email"` // v1 said email
		Currency  string      `json:"currency"`   // since v3
		Items     []shop.Item `json:"items"`
		PlacedAt  time.Time   `json:"placed_at"`
	}
	ItemsAdded struct {
		Items []shop.Item `json:"items"`
	}
	OrderCancelled struct {
		Reason string      `json:"reason"`
		Items  []shop.Item `json:"items"` // what the order had
	}
)

func (OrderPlaced) Kind() Kind    { return Kind{"order-placed", 3} }
func (ItemsAdded) Kind() Kind     { return Kind{"items-added", 1} }
func (OrderCancelled) Kind() Kind { return Kind{"order-cancelled", 1} }

// newest has for each name how its newest version is read.
var newest = map[string]struct {
	schema int
	read   func(body []byte) (Event, error)
}{
	OrderPlaced{}.Kind().Name:    {OrderPlaced{}.Kind().Schema, read[OrderPlaced]},
	ItemsAdded{}.Kind().Name:     {ItemsAdded{}.Kind().Schema, read[ItemsAdded]},
	OrderCancelled{}.Kind().Name: {OrderCancelled{}.Kind().Schema, read[OrderCancelled]},
}

// ErrUnreadable marks an event that this program cannot read, however often it tries.
var ErrUnreadable = errors.New("unreadable event")

// decode reads an event of any version that there ever was. Events are not changed, so
// all of those are in the log for good. An old one is brought up to the newest version
// first (upcast.go): the rest of the program knows only that one. What is not known is an
// error and never passed over: a fold without it would be wrong, and look right.
func decode(kind Kind, body []byte) (Event, error) {
	known, ok := newest[kind.Name]
	if !ok || kind.Schema < 1 || kind.Schema > known.schema {
		return nil, fmt.Errorf("%w: %.80q version %d is unknown to this program: "+
			"deploy the readers of a new version before its writers",
			ErrUnreadable, kind.Name, kind.Schema)
	}
	body, err := upcast(kind, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, kind, err)
	}
	event, err := known.read(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, kind, err)
	}
	return event, nil
}

// read is strict: a member that it does not know is a body of another version.
func read[E Event](body []byte) (Event, error) {
	var e E
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the JSON object")
	}
	return e, e.validate()
}

func (e OrderPlaced) validate() error {
	if e.Currency == "" {
		return errors.New("currency: is missing")
	}
	return shop.Order{UserEmail: e.UserEmail, Items: e.Items}.Validate()
}

func (e ItemsAdded) validate() error { return validItems(e.Items) }

func (e OrderCancelled) validate() error { return validItems(e.Items) }

// validItems checks items by the rules of the shop.
func validItems(items []shop.Item) error {
	return shop.Order{UserEmail: shop.SampleEmail, Items: items}.Validate()
}
