package serialization

import (
	"strings"
)

// Codec turns the event into bytes and back. It is all that the rest of the
// program knows of a format. Codecs have no state and are safe for concurrent use.
type Codec interface {
	// ContentType is what travels beside the bytes, so that a reader can know
	// what they are before it touches them (RFC 6838).
	ContentType() string

	// Encode writes the event as a program of that schema version does.
	Encode(event OrderPlaced, version int) ([]byte, error)

	// Decode reads it as a program of that schema version does: what that
	// version does not know is not in the result. It is the bare library: call
	// [Read] on bytes that come from outside.
	Decode(body []byte, version int) (OrderPlaced, error)

	// Check looks at bytes before they are decoded, and refuses what would cost
	// more than an order may: see limits.go.
	Check(body []byte) error
}

// Named is a codec and what it is called on the command line.
type Named struct {
	Name string
	Codec
}

// Codecs are all codecs, the reference first. Three of them write the same
// format: a content type names a format, not a library.
var Codecs = []Named{
	{"json", JSON},
	{"json-v2", JSONv2},
	{"go-json", GoJSON},
	{"protobuf", Protobuf},
	{"msgpack", MessagePack},
	{"cbor", CBOR},
	{"gob", Gob},
}

// FindCodec returns the codec with that name, or a usage error.
func FindCodec(name string) (Codec, error) {
	var names []string
	for _, c := range Codecs {
		if c.Name == name {
			return c.Codec, nil
		}
		names = append(names, c.Name)
	}
	return nil, usagef("codec %q is unknown; there are: %s", name, strings.Join(names, ", "))
}

// format is a codec for a library that goes by the fields of a Go struct and
// their tags. Which fields there are is the version.
type format struct {
	contentType string
	marshal     func(any) ([]byte, error)
	unmarshal   func([]byte, any) error
	check       func([]byte) error
}

func (f format) ContentType() string     { return f.contentType }
func (f format) Check(body []byte) error { return f.check(body) }

func (f format) Encode(event OrderPlaced, version int) ([]byte, error) {
	if version == 1 {
		old := event.V1()
		return f.marshal(&old)
	}
	return f.marshal(&event)
}

func (f format) Decode(body []byte, version int) (OrderPlaced, error) {
	if version == 1 {
		var old OrderPlacedV1
		err := f.unmarshal(body, &old)
		return old.event(), err
	}
	var event OrderPlaced
	err := f.unmarshal(body, &event)
	return event, err
}
