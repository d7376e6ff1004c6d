package serialization

import (
	"encoding/hex"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func small() OrderPlaced {
	return OrderPlaced{
		OrderID: "42", OrderNumber: 7_413_871_240_642_707_457, UserEmail: "ada@example.com",
		Items:    []Item{{SKU: "MUG-CHAN", Quantity: 2, PriceCents: 1250}},
		PlacedAt: time.Date(2026, time.May, 4, 9, 30, 0, 0, time.UTC),
		Channel:  Web, Payment: Payment{Card: &Card{Last4: "4242"}},
	}
}

// The same order twice. JSON carries the names of its fields; Protobuf carries
// their numbers, so nobody can read it without the schema. 0a is field 1, of a
// length that follows: 02, and then "42".
func Example_bytes() {
	asJSON, err := JSON.Encode(small(), Oldest)
	if err != nil {
		fmt.Println(err)
	}
	asProtobuf, err := Protobuf.Encode(small(), Oldest)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(asJSON), string(asJSON))
	fmt.Println(len(asProtobuf), hex.EncodeToString(asProtobuf))
	// Output:
	// 233 {"order_id":"42","order_number":"7413871240642707457","user_email":"ada@example.com","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-05-04T09:30:00Z","channel":"web","payment":{"card":{"last4":"4242"}}}
	// 64 0a023432110140feec9c5ce3661a0f616461406578616d706c652e636f6d220f0a084d55472d4348414e100218e20928c0ebca92df3330013a060a0434323432
}

// What a schema check says of the two wrong schemas of this step.
func Example_breaking() {
	old, err := JSON.Encode(small(), Oldest)
	if err != nil {
		fmt.Println(err)
	}
	for _, next := range []Codec{renamedField{JSON}, bareNumber{JSON}} {
		body, err := next.Encode(small(), Current)
		if err != nil {
			fmt.Println(err)
		}
		broken, err := BreakingJSON(old, body)
		fmt.Println(broken, err)
	}
	// Output:
	// [/order_id: was a string and is nothing] <nil>
	// [/order_number: was a string and is a number] <nil>
}

// A program of version 1 corrects an e-mail in an event of version 2, which has a field that it has
// never heard of. Protobuf keeps it. JSON drops it, unless the program is careful.
func Example_unknown() {
	order := small()
	order.Payment = Payment{Wallet: &Wallet{Provider: "gopay"}} // since version 2
	for _, c := range []struct {
		name    string
		codec   Codec
		correct func(body []byte, email string) ([]byte, error)
	}{
		{"Protobuf", Protobuf, CorrectEmailProtobuf},
		{"JSON", JSON, CorrectEmailJSON},
		{"JSON, carefully", JSON, CorrectEmailCarefully},
	} {
		body, err := c.codec.Encode(order, Current)
		if err != nil {
			fmt.Println(err)
		}
		if body, err = c.correct(body, "grace@example.com"); err != nil {
			fmt.Println(err)
		}
		now, err := c.codec.Decode(body, Current)
		fmt.Println(c.name, now.UserEmail, now.Payment.Wallet != nil, err)
	}
	// Output:
	// Protobuf grace@example.com true <nil>
	// JSON grace@example.com false <nil>
	// JSON, carefully grace@example.com true <nil>
}

// The version travels beside the bytes, with the oldest version of a reader that understands them.
// A consumer of version 1 reads an event of version 2, and refuses what needs a newer one.
func Example_version() {
	behind := Reader{Codecs: []Codec{JSON}, Version: 1}
	order := small()
	order.OrderID = "0199d3a0-7c1e-7000-8000-000000000007"
	m, err := Writer{JSON, Current}.Write(order)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("version", m.Headers[HeaderVersion], "for readers since", m.Headers[HeaderReader])
	for _, headers := range []amqp.Table{
		m.Headers, {HeaderVersion: int32(9), HeaderReader: int32(9)},
	} {
		_, err := behind.Read(amqp.Delivery{
			Type: m.Type, ContentType: m.ContentType, Headers: headers, Body: m.Body,
		})
		fmt.Println(err)
	}
	// Output:
	// version 2 for readers since 1
	// <nil>
	// unknown schema version: version 9 needs a reader of version 9; this consumer is version 1
}
