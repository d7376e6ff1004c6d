package serialization

import (
	"fmt"

	orderv1 "course.example/08-serialization/orderpb/v1"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
)

// A program of version 1 reads an event, changes the e-mail address and writes
// it back: a read-modify-write, as a service in the middle of a chain does. What
// becomes of the fields that it has never heard of?

// CorrectEmailProtobuf keeps them: a decoder of proto3 puts the bytes of fields
// that it does not know aside, with the message they belong to, and the encoder
// writes them back.
func CorrectEmailProtobuf(body []byte, email string) ([]byte, error) {
	var m orderv1.OrderPlaced
	if err := unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	m.UserEmail = email
	return proto.Marshal(&m)
}

// CorrectEmailJSON loses them: a field that the struct does not have is skipped
// when it is read, and cannot be written.
func CorrectEmailJSON(body []byte, email string) ([]byte, error) {
	var e OrderPlacedV1
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	e.UserEmail = email
	return json.Marshal(e)
}

// Unknown holds the members of a JSON object that the struct around it has no
// field for. json/v2 fills such a map and writes it back. In encoding/json it
// would take an UnmarshalJSON and a MarshalJSON by hand.
//
// It is opt-in, and for every object to choose: [CarefulV1] has one, and so has
// its payment. An object in the event without one, an item, still loses what is
// new in it.
type Unknown map[string]jsontext.Value

// CorrectEmailCarefully keeps them in JSON, too.
func CorrectEmailCarefully(body []byte, email string) ([]byte, error) {
	var e CarefulV1
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	e.UserEmail = email
	return json.Marshal(e)
}
