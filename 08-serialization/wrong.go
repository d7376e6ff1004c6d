package serialization

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"course.example/08-serialization/orderpb/reused"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	writes Codec // in place of the producer's
	reads  Codec // in place of the consumer's
	trusts bool  // the consumer takes whatever decodes for an order
}

var variants = map[string]variant{
	"":                    {},
	"right":               {},
	"renamed-json-field":  {writes: renamedField{JSON}, reads: JSON, trusts: true},
	"reused-field-number": {writes: reusedNumber{Protobuf}, reads: Protobuf},
	"int-overflow":        {writes: bareNumber{JSON}, reads: throughFloat64{JSON}},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// renamedField is the producer of somebody who found order_id too long for a
// field of an order.
//
// What goes wrong: nothing, to all appearances. The name is gone from the
// message, the field is empty in the consumer, and no decoder says a word. The
// e-mails go out, for an order without an id. A consumer that validates what it
// decodes dead-letters the message; this one does not.
type renamedField struct{ Codec }

// RenamedOrder is [OrderPlaced] with another name for its id.
type RenamedOrder struct {
	OrderPlaced
	OrderID string `json:"id"` // was order_id
	Hidden  string `json:"order_id,omitempty"`
}

func (renamedField) Encode(e OrderPlaced, _ int) ([]byte, error) {
	return json.Marshal(RenamedOrder{OrderPlaced: e, OrderID: e.OrderID})
}

// reusedNumber gives the number of order_id to a new field, cart_id.
//
// What goes wrong: bytes of the old schema and the new look alike, and mean
// different things. The consumer decodes a cart as an order, it is a valid one,
// and the work is done under a name that nobody has ordered under.
type reusedNumber struct{ Codec }

func (reusedNumber) Encode(e OrderPlaced, _ int) ([]byte, error) {
	m := &reused.OrderPlaced{
		CartId: uuid.NewString(), OrderId: e.OrderID, OrderNumber: e.OrderNumber,
		UserEmail: e.UserEmail, PlacedAtMs: e.PlacedAt.UnixMilli(),
	}
	for _, it := range e.Items {
		m.Items = append(m.Items, &reused.Item{
			Sku: it.SKU, Quantity: it.Quantity, PriceCents: it.PriceCents})
	}
	return proto.Marshal(m)
}

// bareNumber writes the order number as a JSON number, without the quotes. The
// JSON is correct.
type bareNumber struct{ Codec }

// BareNumber is [OrderPlaced] without quotes around its number.
type BareNumber struct {
	OrderPlaced
	OrderNumber int64 `json:"order_number"`
}

func (bareNumber) Encode(e OrderPlaced, _ int) ([]byte, error) {
	return json.Marshal(BareNumber{e, e.OrderNumber})
}

// throughFloat64 reads an event as every program does that takes JSON as it
// comes: into a map, in which a number is a float64. In JavaScript there is
// nothing else.
//
// What goes wrong: a float64 has 53 bits for the digits. Of an order number with
// 63 the last eight are rounded, and orders of one millisecond get the same one.
// The consumer has done "this order" already, and skips it.
type throughFloat64 struct{ Codec }

func (throughFloat64) Decode(body []byte, version int) (OrderPlaced, error) {
	var loose map[string]any
	if err := json.Unmarshal(body, &loose); err != nil {
		return OrderPlaced{}, err
	}
	number, isNumber := loose["order_number"].(float64)
	if !isNumber {
		return OrderPlaced{}, fmt.Errorf("order_number: %v is no number", loose["order_number"])
	}
	// The rest of the way is right: only the number has been through a float64.
	loose["order_number"] = strconv.FormatInt(int64(number), 10)
	tidy, err := json.Marshal(loose)
	if err != nil {
		return OrderPlaced{}, err
	}
	return JSON.Decode(tidy, version)
}
