// Package wire reads Protobuf messages whose schema is not at hand.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Field is one field of a message, as it lies in the bytes.
type Field struct {
	Number int
	Kind   int
	Value  uint64 // of a field of kind 0, 1 or 5
	Bytes  []byte // of a field of kind 2: a part of the message, not a copy
}

const largest = 1<<29 - 1 // of the numbers of fields

var errTooShort = errors.New("the message ends too early")

// Fields returns the fields of a message in their order.
func Fields(message []byte) ([]Field, error) {
	var all []Field
	for len(message) > 0 {
		tag, rest, err := varint(message)
		if err != nil {
			return nil, fmt.Errorf("the tag of field %d: %w", len(all)+1, err)
		}
		number := tag >> 3
		if number < 1 || number > largest {
			return nil, fmt.Errorf("no field has the number %d", number)
		}
		f := Field{Number: int(number), Kind: int(tag & 7)}
		if message, err = f.read(rest); err != nil {
			return nil, fmt.Errorf("field number %d: %w", f.Number, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// read takes the value from the bytes after the tag, and returns what follows.
func (f *Field) read(b []byte) (rest []byte, err error) {
	switch f.Kind {
	case 0:
		f.Value, rest, err = varint(b)
		return rest, err
	case 1:
		if len(b) < 8 {
			return nil, errTooShort
		}
		f.Value = binary.LittleEndian.Uint64(b)
		return b[8:], nil
	case 2:
		length, b, err := varint(b)
		if err != nil {
			return nil, err
		}
		if length > uint64(len(b)) {
			return nil, fmt.Errorf("%w: %d bytes are promised, %d are left",
				errTooShort, length, len(b))
		}
		f.Bytes = b[:length]
		return b[length:], nil
	case 5:
		if len(b) < 4 {
			return nil, errTooShort
		}
		f.Value = uint64(binary.LittleEndian.Uint32(b))
		return b[4:], nil
	default:
		return nil, fmt.Errorf("kind %d is unknown", f.Kind)
	}
}

func varint(b []byte) (value uint64, rest []byte, err error) {
	value, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, nil, errTooShort
	case n < 0:
		return 0, nil, errors.New("a varint has more than 64 bits")
	}
	return value, b[n:], nil
}
