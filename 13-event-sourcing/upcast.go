package eventsourcing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// fields is a body as it is stored. What an upcaster does not speak of it leaves alone.
type fields map[string]json.RawMessage

// upcasters bring a body up by one version. One is added with each new version and none is
// ever changed or removed: together they are a chain from each version to the newest.
var upcasters = map[Kind]func(fields) (fields, error){
	// v2 calls a customer's address what the rest of the shop calls it.
	{"order-placed", 1}: func(old fields) (fields, error) {
		email, ok := old["email"]
		if !ok {
			return nil, errors.New("email: is missing")
		}
		body := maps.Clone(old)
		delete(body, "email")
		body["user_email"] = email
		return body, nil
	},
	// v3 names the currency. Before it there was only one.
	{"order-placed", 2}: func(old fields) (fields, error) {
		body := maps.Clone(old)
		body["currency"] = json.RawMessage(`"EUR"`)
		return body, nil
	},
	// v4 seals what is personal. What was written before stands there for everybody to read,
	// for good: nobody can throw away a key that there never was.
	{"order-placed", 3}:    func(old fields) (fields, error) { return old, nil },
	{"order-cancelled", 1}: func(old fields) (fields, error) { return old, nil },
}

// upcast brings a body up to the newest version of its event.
func upcast(kind Kind, body []byte) ([]byte, error) {
	if kind.Schema == newest[kind.Name].schema {
		return body, nil
	}
	var f fields
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, err
	}
	if f == nil {
		return nil, errors.New("the body is no JSON object")
	}
	for ; kind.Schema < newest[kind.Name].schema; kind.Schema++ {
		up, ok := upcasters[kind]
		if !ok {
			return nil, fmt.Errorf("nothing brings %s up to the next version", kind)
		}
		var err error
		if f, err = up(f); err != nil {
			return nil, err
		}
	}
	return json.Marshal(f)
}

// sealedSince is the version of order-placed with which programs began to seal, also what they
// write into order-cancelled.
const sealedSince = 4

// encode writes the body of an event. A program that runs beside older ones, during a
// rolling upgrade, still writes order-placed as of version 2 or 3.
func encode(e Event, placedSchema int) (Kind, []byte, error) {
	kind, shape := e.Kind(), any(e)
	switch e := e.(type) {
	case OrderPlaced:
		if kind.Schema = placedSchema; placedSchema == 2 {
			shape = map[string]any{"user_email": e.UserEmail, "items": e.Items,
				"placed_at": e.PlacedAt}
		}
	case OrderCancelled:
		if placedSchema < sealedSince {
			kind.Schema = 1
		}
	}
	body, err := json.Marshal(shape)
	if err != nil {
		return kind, nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return kind, body, nil
}
