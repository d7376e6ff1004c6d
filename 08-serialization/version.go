package serialization

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What travels beside the bytes. The content type, a property of AMQP, says
// which format they are in; two headers say which version of the schema. None of
// it can be in the body: that cannot be read before they are known.
const (
	EventType = "order.placed"
	// HeaderVersion is the version that the writer was built with.
	HeaderVersion = "schema-version"
	// HeaderReader is the oldest reader that understands the message all the
	// same. A compatible change raises the version alone, and no reader need
	// care; one that is not raises both. (Delta Lake's minReaderVersion.)
	HeaderReader = "min-reader-version"
)

// Why a consumer cannot read a message, before it looks at a byte of the body.
var (
	ErrForeignType    = errors.New("not the type of message that is read here")
	ErrForeignCodec   = errors.New("no codec for this content type")
	ErrForeignVersion = errors.New("unknown schema version")
)

// Writer makes messages of events, as a program of its version.
type Writer struct {
	Codec   Codec
	Version int
}

// Write returns the event as a message. It survives a restart of the broker.
func (w Writer) Write(event OrderPlaced) (amqp.Publishing, error) {
	body, err := w.Codec.Encode(event, w.Version)
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("encode order %s: %w", event.OrderID, err)
	}
	return amqp.Publishing{
		Type:        EventType,
		ContentType: w.Codec.ContentType(),
		Headers: amqp.Table{
			HeaderVersion: int32(w.Version),
			HeaderReader:  int32(Oldest), // version 2 breaks no reader of 1
		},
		// Also beside the bytes: whose order it is, for when nobody can read them.
		MessageId:    event.OrderID,
		Timestamp:    event.PlacedAt,
		DeliveryMode: amqp.Persistent,
		Body:         body,
	}, nil
}

// Reader makes events of messages, as a program of its version.
type Reader struct {
	Codecs  []Codec
	Version int
	trust   bool // take whatever decodes for an order: a wrong variant
}

// Read returns the event in the message, or why this program cannot read it.
func (r Reader) Read(d amqp.Delivery) (OrderPlaced, error) {
	if d.Type != EventType {
		return OrderPlaced{}, fmt.Errorf("%w: %q; this consumer reads %q",
			ErrForeignType, d.Type, EventType)
	}
	codec, err := r.codec(d.ContentType)
	if err != nil {
		return OrderPlaced{}, err
	}
	if err := r.checkVersion(d.Headers); err != nil {
		return OrderPlaced{}, err
	}
	if r.trust {
		return readUnchecked(codec, d.Body, r.Version)
	}
	return Read(codec, d.Body, r.Version)
}

func (r Reader) codec(contentType string) (Codec, error) {
	var known []string
	for _, c := range r.Codecs {
		if reads(c, contentType) {
			return c, nil
		}
		known = append(known, c.ContentType())
	}
	return nil, fmt.Errorf("%w: %q; this consumer reads %s",
		ErrForeignCodec, contentType, strings.Join(known, ", "))
}

// aliases are other names of a format that are written in the world, most of them from
// before there was a registered one.
var aliases = map[string]string{
	"text/json":                       contentTypeJSON,
	"application/x-protobuf":          contentTypeProtobuf,
	"application/vnd.google.protobuf": contentTypeProtobuf,
	"application/x-google-protobuf":   contentTypeProtobuf,
	"application/msgpack":             contentTypeMessagePack,
	"application/x-msgpack":           contentTypeMessagePack,
}

// reads says whether the codec is for that content type. A content type is more than
// a text to compare: upper and lower case are the same, blanks are allowed, parameters
// may follow, and the same format may have other names. The only parameter with a
// meaning here is the charset: JSON is UTF-8 (RFC 8259, section 8.1).
func reads(c Codec, contentType string) bool {
	name, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset := parameters["charset"]; charset != "" &&
		!strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return false
	}
	return cmp.Or(aliases[name], name) == c.ContentType()
}

func (r Reader) checkVersion(headers amqp.Table) error {
	version, ok := whole(headers[HeaderVersion])
	if !ok {
		return fmt.Errorf("%w: the header %s is missing or no number",
			ErrForeignVersion, HeaderVersion)
	}
	needs, ok := whole(headers[HeaderReader])
	if !ok {
		needs = version // nothing is promised, so nothing is assumed
	}
	if version < Oldest || needs > int64(r.Version) {
		return fmt.Errorf("%w: version %d needs a reader of version %d; "+
			"this consumer is version %d", ErrForeignVersion, version, needs, r.Version)
	}
	return nil
}

// whole takes every integer that AMQP has: another language's client may choose
// another one.
func whole(header any) (int64, bool) {
	switch n := header.(type) {
	case int8:
		return int64(n), true
	case uint8:
		return int64(n), true
	case int16:
		return int64(n), true
	case uint16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint32:
		return int64(n), true
	case int64:
		return n, true
	case int:
		return int64(n), true
	default:
		return 0, false
	}
}
