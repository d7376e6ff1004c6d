package serialization

import (
	"fmt"
	"strings"
	"time"

	orderv1 "course.example/08-serialization/orderpb/v1"
	orderv2 "course.example/08-serialization/orderpb/v2"
	"google.golang.org/protobuf/proto"
)

// The generated code is committed, so that nobody needs a compiler for it to
// build the step. To generate it anew, install protoc (Debian: protobuf-compiler)
// and run go generate: the Go plugin is a tool of this module.
//
//go:generate sh -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --go_out=. --go_opt=module=course.example/08-serialization orderpb/v1/order.proto orderpb/v2/order.proto orderpb/reused/order.proto"

// Protobuf is Protocol Buffers: a schema in a file of its own, code generated
// from it, and numbers instead of names in the bytes.
var Protobuf Codec = protobufCodec{}

type protobufCodec struct{}

func (protobufCodec) ContentType() string { return contentTypeProtobuf }

func (protobufCodec) Check(body []byte) error { return checkProtobuf(body) }

// unmarshal follows messages within messages no deeper than MaxDepth.
var unmarshal = proto.UnmarshalOptions{RecursionLimit: MaxDepth}.Unmarshal

func (protobufCodec) Encode(event OrderPlaced, version int) ([]byte, error) {
	if version == 1 {
		return proto.Marshal(toV1(event))
	}
	return proto.Marshal(toV2(event))
}

func (protobufCodec) Decode(body []byte, version int) (OrderPlaced, error) {
	if version == 1 {
		var m orderv1.OrderPlaced
		if err := unmarshal(body, &m); err != nil {
			return OrderPlaced{}, err
		}
		return fromV1(&m), nil
	}
	var m orderv2.OrderPlaced
	if err := unmarshal(body, &m); err != nil {
		return OrderPlaced{}, err
	}
	return fromV2(&m), nil
}

// The generated types are for the wire, and each version has its own. Between
// them and the event stands this code: simple, checked by the compiler, and the
// place where an old reader's view of a new message is decided.

func toV2(e OrderPlaced) *orderv2.OrderPlaced {
	m := &orderv2.OrderPlaced{
		OrderId: e.OrderID, OrderNumber: e.OrderNumber,
		//lint:ignore SA1019 deprecated means: written until no reader of version 1 is left
		UserEmail:  e.UserEmail,
		PlacedAtMs: e.PlacedAt.UnixMilli(), Items: make([]*orderv2.Item, len(e.Items)),
		Channel: orderv2.Channel(channelNumber(e.Channel, orderv2.Channel_value)),
	}
	items := make([]orderv2.Item, len(e.Items)) // one allocation instead of many
	for i, it := range e.Items {
		items[i].Sku, items[i].Quantity, items[i].PriceCents = it.SKU, it.Quantity, it.PriceCents
		m.Items[i] = &items[i]
	}
	switch p := e.Payment; {
	case p.Card != nil:
		m.Payment = &orderv2.OrderPlaced_Card{Card: &orderv2.Card{Last4: p.Card.Last4}}
	case p.Invoice != nil:
		m.Payment = &orderv2.OrderPlaced_Invoice{
			Invoice: &orderv2.Invoice{DueDays: p.Invoice.DueDays}}
	case p.Wallet != nil:
		m.Payment = &orderv2.OrderPlaced_Wallet{
			Wallet: &orderv2.Wallet{Provider: p.Wallet.Provider}}
	}
	if c := e.Contact; c != nil {
		m.Contact = &orderv2.Contact{Email: c.Email, Phone: c.Phone}
	}
	return m
}

func fromV2(m *orderv2.OrderPlaced) OrderPlaced {
	e := OrderPlaced{
		OrderID: m.GetOrderId(), OrderNumber: m.GetOrderNumber(),
		//lint:ignore SA1019 and read until no writer of version 1 is left
		UserEmail: m.GetUserEmail(),
		PlacedAt:  fromMillis(m.GetPlacedAtMs()), Items: make([]Item, len(m.GetItems())),
		Channel: channelName(m.GetChannel().String()),
	}
	for i, it := range m.GetItems() {
		e.Items[i] = Item{it.GetSku(), it.GetQuantity(), it.GetPriceCents()}
	}
	switch p := m.GetPayment().(type) {
	case *orderv2.OrderPlaced_Card:
		e.Payment.Card = &Card{p.Card.GetLast4()}
	case *orderv2.OrderPlaced_Invoice:
		e.Payment.Invoice = &Invoice{p.Invoice.GetDueDays()}
	case *orderv2.OrderPlaced_Wallet:
		e.Payment.Wallet = &Wallet{p.Wallet.GetProvider()}
	}
	if c := m.GetContact(); c != nil {
		e.Contact = &Contact{c.GetEmail(), c.GetPhone()}
	}
	return e
}

func toV1(e OrderPlaced) *orderv1.OrderPlaced {
	m := &orderv1.OrderPlaced{
		OrderId: e.OrderID, OrderNumber: e.OrderNumber, UserEmail: e.UserEmail,
		PlacedAtMs: e.PlacedAt.UnixMilli(),
		Channel:    orderv1.Channel(channelNumber(e.Channel, orderv1.Channel_value)),
	}
	for _, it := range e.Items {
		m.Items = append(m.Items, &orderv1.Item{
			Sku: it.SKU, Quantity: it.Quantity, PriceCents: it.PriceCents})
	}
	switch p := e.Payment; {
	case p.Card != nil:
		m.Payment = &orderv1.OrderPlaced_Card{Card: &orderv1.Card{Last4: p.Card.Last4}}
	case p.Invoice != nil:
		m.Payment = &orderv1.OrderPlaced_Invoice{
			Invoice: &orderv1.Invoice{DueDays: p.Invoice.DueDays}}
	}
	return m
}

func fromV1(m *orderv1.OrderPlaced) OrderPlaced {
	e := OrderPlaced{
		OrderID: m.GetOrderId(), OrderNumber: m.GetOrderNumber(), UserEmail: m.GetUserEmail(),
		PlacedAt: fromMillis(m.GetPlacedAtMs()), Items: make([]Item, len(m.GetItems())),
		Channel: channelName(m.GetChannel().String()),
	}
	for i, it := range m.GetItems() {
		e.Items[i] = Item{it.GetSku(), it.GetQuantity(), it.GetPriceCents()}
	}
	switch p := m.GetPayment().(type) {
	case *orderv1.OrderPlaced_Card:
		e.Payment.Card = &Card{p.Card.GetLast4()}
	case *orderv1.OrderPlaced_Invoice:
		e.Payment.Invoice = &Invoice{p.Invoice.GetDueDays()}
	}
	return e
}

const channelPrefix = "CHANNEL_"

func channelNumber(c Channel, values map[string]int32) int32 {
	return values[channelPrefix+strings.ToUpper(string(c))] // 0: unspecified
}

// channelName keeps a value that this version has no name for: proto3's enums
// are open, and an unknown one arrives as its number.
func channelName(name string) Channel {
	short, known := strings.CutPrefix(name, channelPrefix)
	switch {
	case !known:
		return Channel(fmt.Sprintf("channel-%s", name))
	case short == "UNSPECIFIED":
		return ""
	default:
		return Channel(strings.ToLower(short))
	}
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
