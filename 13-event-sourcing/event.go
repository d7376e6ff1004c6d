package eventsourcing

import (
	"errors"
	"fmt"
	"time"

	"course.example/shop"
	"github.com/go-json-experiment/json"
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
		UserEmail string      `json:"user_email,omitempty"` // v1 said email; sealed since v4
		Currency  string      `json:"currency"`             // since v3
		Items     []shop.Item `json:"items"`
		PlacedAt  time.Time   `json:"placed_at"`
		Personal  Sealed      `json:"personal,omitzero"` // the address, since v4
	}
	ItemsAdded struct {
		Items []shop.Item `json:"items"`
	}
	OrderCancelled struct {
		Reason   string      `json:"reason,omitempty"`  // sealed since v2
		Items    []shop.Item `json:"items"`             // what the order had
		Personal Sealed      `json:"personal,omitzero"` // the reason, since v2
	}
)

func (OrderPlaced) Kind() Kind    { return Kind{"order-placed", 4} }
func (ItemsAdded) Kind() Kind     { return Kind{"items-added", 1} }
func (OrderCancelled) Kind() Kind { return Kind{"order-cancelled", 2} }

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

// read is strict: a member that it does not know is a body of another version. What is read
// most often is the log, and json/v2 (step 08) reads more than twice as fast as encoding/json.
// It also refuses what that lets pass: a member that comes twice, and USER_EMAIL for user_email.
func read[E Event](body []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(body, &e, strict); err != nil {
		return nil, err
	}
	return e, e.validate()
}

var strict = json.RejectUnknownMembers(true)

func (e OrderPlaced) validate() error {
	if e.Currency == "" {
		return errors.New("currency: is missing")
	}
	if err := e.Personal.validate(e.UserEmail); err != nil {
		return err
	}
	if e.Personal.Text != nil {
		return shop.ValidateItems(e.Items)
	}
	return shop.Order{UserEmail: e.UserEmail, Items: e.Items}.Validate()
}

func (e ItemsAdded) validate() error { return shop.ValidateItems(e.Items) }

func (e OrderCancelled) validate() error {
	return errors.Join(e.Personal.validate(e.Reason), shop.ValidateItems(e.Items))
}
