package serialization

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"course.example/shop"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of what a reader takes. A body comes from outside: it says how deep
// it is and how long its lists are, and a decoder that believes it allocates
// what it is told to.
const (
	MaxBytes    = 128 << 10 // the largest order that the counter takes is 90 KB as JSON
	MaxDepth    = 16        // an order is 4 deep
	MaxElements = 1024      // of one list or map; an order has at most 200 items
)

// Why a body was refused before it was decoded.
var (
	ErrTooLarge  = errors.New("the body is too large")
	ErrTooDeep   = errors.New("the body is nested too deeply")
	ErrTooMany   = errors.New("a list is too long")
	ErrNotUTF8   = errors.New("the body is not UTF-8")
	ErrTruncated = errors.New("the body ends too early")
)

// Read is the way in for bytes from outside: limits first, then the codec, then
// whether what came out is an order. It needs memory and time in proportion to
// [MaxBytes] at most. The error says which of the three it was.
func Read(codec Codec, body []byte, version int) (OrderPlaced, error) {
	event, err := readUnchecked(codec, body, version)
	if err != nil {
		return OrderPlaced{}, err
	}
	if err := event.Validate(); err != nil {
		return event, fmt.Errorf("not a valid order: %w", err)
	}
	id, err := shop.ParseID(event.OrderID)
	if err != nil {
		return event, fmt.Errorf("not a valid order: %w", err)
	}
	event.OrderID = id.String()
	return event, nil
}

func readUnchecked(codec Codec, body []byte, version int) (OrderPlaced, error) {
	if len(body) > MaxBytes {
		return OrderPlaced{}, fmt.Errorf("%w: %d bytes, and %d are allowed",
			ErrTooLarge, len(body), MaxBytes)
	}
	if err := codec.Check(body); err != nil {
		return OrderPlaced{}, fmt.Errorf("not %s that this reader takes: %w",
			codec.ContentType(), err)
	}
	event, err := codec.Decode(body, version)
	if err != nil {
		return OrderPlaced{}, fmt.Errorf("not an order in %s: %w", codec.ContentType(), err)
	}
	return event, nil
}

// checkJSON counts brackets and commas outside of strings. encoding/json stops at
// 10,000 levels by itself, and replaces what is not UTF-8 instead of refusing it:
// an order for "Zoë" in Latin-1 would be sent to "Zo\ufffd". The commas are counted
// because an empty item takes three bytes here and a struct in memory.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return ErrNotUTF8
	}
	depth, inString := 0, false
	var commas [MaxDepth + 1]int // in each of the lists and objects that are open
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++ // whatever is escaped, a quote above all, ends nothing
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("%w: more than %d levels", ErrTooDeep, MaxDepth)
			}
			commas[depth] = 0
		case c == '}' || c == ']':
			depth = max(0, depth-1) // one too many is the decoder's to report
		case c == ',':
			if commas[depth]++; commas[depth] >= MaxElements {
				return fmt.Errorf("%w: more than %d elements", ErrTooMany, MaxElements)
			}
		}
	}
	return nil
}

// checkProtobuf counts fields. An item that says nothing takes two bytes, and
// becomes a message of the generated type and a struct of ours: seventy times as much.
// Depth is left to the decoder, which counts it as it goes.
func checkProtobuf(body []byte) error {
	for fields := 1; len(body) > 0; fields++ {
		number, kind, n := protowire.ConsumeTag(body)
		if n > 0 && kind != protowire.StartGroupType && kind != protowire.EndGroupType {
			if value := protowire.ConsumeFieldValue(number, kind, body[n:]); value >= 0 {
				n += value
			} else {
				n = value
			}
		}
		switch {
		case n < 0:
			return fmt.Errorf("no field of Protobuf: %w", protowire.ParseError(n))
		case fields > MaxElements:
			return fmt.Errorf("%w: more than %d fields", ErrTooMany, MaxElements)
		}
		body = body[n:]
	}
	return nil
}

// checkMessagePack walks over the body without building anything. The library
// has no limit on depth, and makes room for a million elements because five
// bytes say that they follow.
func checkMessagePack(body []byte) error {
	r := bytes.NewReader(body)
	return walk(msgpack.NewDecoder(r), r, MaxDepth)
}

func walk(d *msgpack.Decoder, r *bytes.Reader, deeper int) error {
	code, err := d.PeekCode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	children, most := 0, MaxElements
	switch {
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		children, err = d.DecodeArrayLen()
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		children, err = d.DecodeMapLen()
		children, most = 2*children, 2*most // keys and values
	case msgpcode.IsString(code), msgpcode.IsBin(code):
		n, err := d.DecodeBytesLen()
		return errors.Join(err, pass(r, n))
	case msgpcode.IsExt(code):
		_, n, err := d.DecodeExtHeader()
		return errors.Join(err, pass(r, n))
	default:
		return d.Skip()
	}
	switch {
	case err != nil:
		return err
	case deeper == 0:
		return fmt.Errorf("%w: more than %d levels", ErrTooDeep, MaxDepth)
	case children > most:
		return fmt.Errorf("%w: %d elements", ErrTooMany, children)
	case children > r.Len(): // each takes a byte at least
		return fmt.Errorf("%w: %d elements were promised", ErrTruncated, children)
	}
	for range children {
		if err := walk(d, r, deeper-1); err != nil {
			return err
		}
	}
	return nil
}

// pass goes over n bytes, if they are there.
func pass(r *bytes.Reader, n int) error {
	if n > r.Len() {
		return fmt.Errorf("%w: %d bytes were promised, %d are left", ErrTruncated, n, r.Len())
	}
	_, err := r.Seek(int64(n), io.SeekCurrent)
	return err
}

// checkGob looks whether the lengths of the messages that a gob consists of are
// true: the library takes 10 MB in advance for one that claims so much. A length
// below 128 is one byte; a longer one is the number of its bytes, negated, and
// then those (the documentation of encoding/gob, "Encoding Details").
func checkGob(body []byte) error {
	for len(body) > 0 {
		length, size := uint64(body[0]), 1
		if body[0] >= 128 {
			size += 256 - int(body[0])
			if size > 9 || size > len(body) {
				return fmt.Errorf("%w: a length of %d bytes", ErrTruncated, size-1)
			}
			length = 0
			for _, b := range body[1:size] {
				length = length<<8 | uint64(b)
			}
		}
		body = body[size:]
		if length > uint64(len(body)) {
			return fmt.Errorf("%w: %d bytes were promised, %d are left",
				ErrTruncated, length, len(body))
		}
		body = body[length:]
	}
	return nil
}
