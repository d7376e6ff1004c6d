package serialization

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	jsonv2 "github.com/go-json-experiment/json"
	gojson "github.com/goccy/go-json"
	"github.com/vmihailenco/msgpack/v5"
)

// The content types of the formats that go by more than one name.
const (
	contentTypeJSON        = "application/json"     // RFC 8259
	contentTypeProtobuf    = "application/protobuf" // in IANA's list
	contentTypeMessagePack = "application/vnd.msgpack"
)

// JSON is encoding/json, the reference of the measurements. It is generous: it
// takes the last of two equal names, and it takes ORDER_ID for order_id. See
// hazards_test.go for what can go wrong with that.
var JSON Codec = format{contentTypeJSON, json.Marshal, json.Unmarshal, checkJSON}

// JSONv2 is encoding/json/v2, from the module in which it is developed: strict,
// and faster. Built with GOEXPERIMENT=jsonv2 that module is an alias of the
// toolchain's own package. The experiment also puts v2 under encoding/json,
// though, and then the reference is not the one that everybody has. So the
// default build takes the module, and both can be measured side by side.
var JSONv2 Codec = format{contentTypeJSON,
	func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
	func(b []byte, v any) error { return jsonv2.Unmarshal(b, v) },
	checkJSON}

// GoJSON is goccy/go-json: encoding/json's behaviour with less time spent on
// reflection, in plain Go.
var GoJSON Codec = format{contentTypeJSON, gojson.Marshal, gojson.Unmarshal, checkJSON}

// MessagePack is JSON's model in binary (msgpack.org): names still travel.
var MessagePack Codec = format{contentTypeMessagePack,
	func(v any) ([]byte, error) {
		var b bytes.Buffer
		e := msgpack.NewEncoder(&b)
		e.SetCustomStructTag("json")
		e.UseCompactInts(true)
		err := e.Encode(v)
		return b.Bytes(), err
	},
	func(body []byte, v any) error {
		r := bytes.NewReader(body)
		d := msgpack.NewDecoder(r)
		d.SetCustomStructTag("json")
		if err := d.Decode(v); err != nil {
			return err
		}
		return nothingFollows(r.Len())
	},
	checkMessagePack}

// CBOR is the IETF's binary JSON (RFC 8949), made for small devices and careful
// readers: its library has a limit for everything.
var CBOR Codec = func() Codec {
	encode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		panic(err) // the options above are constants, and wrong
	}
	decode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxNestedLevels:   MaxDepth,
		MaxArrayElements:  MaxElements,
		MaxMapPairs:       MaxElements,
		IndefLength:       cbor.IndefLengthForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return format{"application/cbor", encode.Marshal, decode.Unmarshal, decode.Wellformed}
}()

// Gob is Go's own format. Every message describes its types first, which pays in
// a stream of thousands and not in a message that travels alone. Its
// documentation says that it is not hardened against hostile bytes: it is here
// to be compared, and for files of one's own.
var Gob Codec = format{"application/x-gob",
	func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	},
	func(body []byte, v any) error {
		r := bytes.NewReader(body)
		if err := gob.NewDecoder(r).Decode(v); err != nil {
			return err
		}
		return nothingFollows(r.Len())
	},
	checkGob}

func nothingFollows(left int) error {
	if left > 0 {
		return fmt.Errorf("%d bytes follow after the event", left)
	}
	return nil
}
