package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
	"github.com/google/uuid"
)

// Kind is what a message says and how: the name of an event and the version of
// its body. Both stand in columns of their own, so that a consumer knows whether
// it can read the body before it tries.
type Kind struct {
	Name    string
	Version int
}

func (k Kind) String() string { return fmt.Sprintf("%s v%d", k.Name, k.Version) }

// OrderPlacedV1 is the one event of this step.
var OrderPlacedV1 = Kind{"order.placed", 1}

// identified is an order whose identity was read, too. As text it may be written in
// several ways (upper case, in braces, as a URN): the UUID is what is compared and
// stored, and Order.ID is that again, as text.
type identified struct {
	shop.Order
	id uuid.UUID
}

// readers are the events that a consumer of this version of the program can
// read. A second version of a body becomes a second line here: for as long as
// old messages are in the table, both must be readable.
var readers = map[Kind]func(body []byte) (identified, error){
	OrderPlacedV1: readOrderPlaced,
}

// ErrUnreadable marks a message that no further attempt can mend.
var ErrUnreadable = errors.New("unreadable message")

// decode reads the order from a message, or says why nobody can.
func (m Message) decode() (identified, error) {
	read, known := readers[m.Kind]
	if !known {
		return identified{}, fmt.Errorf("%w: event %q version %d is unknown: this "+
			"consumer reads %s; deploy consumers before producers",
			ErrUnreadable, m.Kind.Name, m.Kind.Version, knownEvents())
	}
	order, err := read(m.Body)
	if err != nil {
		return order, fmt.Errorf("%w: %s: %w", ErrUnreadable, m.Kind, err)
	}
	return order, nil
}

func readOrderPlaced(body []byte) (o identified, err error) {
	if err := json.Unmarshal(body, &o.Order); err != nil {
		return identified{}, fmt.Errorf("body is not an order: %w", err)
	}
	if o.id, err = shop.ParseID(o.ID); err != nil {
		return identified{}, fmt.Errorf("not a valid order: %w", err)
	}
	o.ID = o.id.String()
	if err := o.Validate(); err != nil {
		return o, fmt.Errorf("not a valid order: %w", err)
	}
	return o, nil
}

func knownEvents() string {
	var names []string
	for kind := range maps.Keys(readers) {
		names = append(names, kind.String())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
