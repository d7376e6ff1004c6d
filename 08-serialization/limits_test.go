package serialization

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// hostileBodies are bodies that no reader may take, for every codec.
func hostileBodies(t testing.TB, c Codec) map[string][]byte {
	t.Helper()
	good := encoded(t, c, plain(2), Current)
	bodies := map[string][]byte{
		"empty":     {},
		"truncated": good[:len(good)-1],
		"half":      good[:len(good)/2],
		"oversized": append(bytes.Clone(good), make([]byte, MaxBytes)...),
		"noise":     bytes.Repeat([]byte{0xff, 0x00, 0x91, 0xdf}, 64),
		"no order":  encoded(t, c, OrderPlaced{}, Current),
	}
	long := plain(2)
	long.Items = make([]Item, MaxElements+1)
	bodies["too many items"] = encoded(t, c, long, Current)
	// As many as a body can hold, and every one of them empty: three bytes become a
	// struct. What is not in an order of 200 items must not be built at all.
	many := plain(0)
	many.Items = make([]Item, MaxBytes-1024)
	if body := encoded(t, c, many, Current); len(body) <= MaxBytes { // gob: a byte each
		bodies["many empty items"] = body
	}
	latin1 := bytes.ReplaceAll(good, []byte("ë"), []byte("\xeb\xeb")) // as many bytes
	bodies["not UTF-8"] = latin1
	switch c.ContentType() {
	case contentTypeJSON:
		bodies["deep"] = bytes.Repeat([]byte("["), MaxBytes)
		bodies["many empty items"] = []byte(
			`{"items":[{}` + strings.Repeat(",{}", MaxBytes/3-8) + "]}")
		bodies["many empty lists"] = []byte(
			`{"items":[[]` + strings.Repeat(",[]", MaxBytes/3-8) + "]}")
		bodies["one bracket too many"] = append([]byte("]"), good...)
		bodies["deep and unknown"] = []byte(`{"x":` + strings.Repeat("[", 9999) +
			strings.Repeat("]", 9999) + "}")
		bodies["wrong type"] = []byte(`{"order_id": 7}`)
		bodies["wrong type of list"] = []byte(`{"items": {"sku": "x"}}`)
		bodies["more follows"] = append(bytes.Clone(good), "{}"...)
	case MessagePack.ContentType():
		bodies["deep"] = bytes.Repeat([]byte{0x91}, MaxBytes) // lists of one list
		bodies["deep map"] = bytes.Repeat([]byte{0x81, 0xa1, 'x'}, MaxBytes/3)
		bodies["promised list"] = []byte("\x81\xa5items\xdd\x7f\xff\xff\xff")
		bodies["promised string"] = []byte("\x81\xa8order_id\xdb\x7f\xff\xff\xff")
		bodies["wrong type"] = []byte("\x81\xa8order_id\x07")
		bodies["more follows"] = append(bytes.Clone(good), 0xc0)
	case CBOR.ContentType():
		bodies["deep"] = bytes.Repeat([]byte{0x81}, MaxBytes)
		bodies["promised list"] = []byte("\xa1\x65items\x9a\x7f\xff\xff\xff")
		bodies["promised string"] = []byte("\xa1\x68order_id\x7a\x7f\xff\xff\xff")
		bodies["wrong type"] = []byte("\xa1\x68order_id\x07")
		bodies["two equal names"] = []byte{0xa2, 0x61, 'x', 0x01, 0x61, 'x', 0x02}
		bodies["more follows"] = append(bytes.Clone(good), 0xf6)
	case Protobuf.ContentType():
		bodies["deep"] = bytes.Repeat([]byte{0x7b}, MaxBytes) // start of group 15
		bodies["many empty items"] = bytes.Repeat([]byte{0x22, 0}, MaxBytes/2)
		bodies["promised string"] = []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x07}
		// order_id as a number: to Protobuf that is another, unknown field, and
		// order_id is empty. Only validation sees it.
		bodies["wrong type"] = []byte{0x08, 0x07}
	case Gob.ContentType():
		bodies["promised message"] = []byte{0xfc, 0x3f, 0xff, 0xff, 0xff, 0x01}
	}
	return bodies
}

func TestHostileBytesAreRefusedInBoundedMemory(t *testing.T) {
	// Not parallel: what other tests allocate would be counted.
	for _, c := range Codecs {
		for name, body := range hostileBodies(t, c) {
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Read(c, body, Current)
				runtime.ReadMemStats(&after)
				if err == nil {
					t.Error("it was taken")
				}
				most := uint64(8 * MaxBytes) // all that was allocated, freed or not
				if c.ContentType() == Gob.ContentType() && name == "many empty items" {
					most = 256 * MaxBytes // nothing in front of the library counts those
				}
				t.Logf("%d bytes cost %d", len(body), after.TotalAlloc-before.TotalAlloc)
				if took := after.TotalAlloc - before.TotalAlloc; took > most {
					t.Errorf("%d bytes cost %d bytes of memory, more than %d",
						len(body), took, most)
				}
			})
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codec Codec
		body  []byte
		want  error
	}{
		"items":    {JSON, []byte("[" + strings.Repeat("0,", MaxElements) + "0]"), ErrTooMany},
		"fields":   {Protobuf, bytes.Repeat([]byte{0x22, 0}, MaxElements+1), ErrTooMany},
		"cut off":  {Protobuf, []byte{0x0a, 5}, io.ErrUnexpectedEOF},
		"large":    {JSON, make([]byte, MaxBytes+1), ErrTooLarge},
		"deep":     {JSON, bytes.Repeat([]byte("["), 17), ErrTooDeep},
		"Latin-1":  {JSON, []byte("\"\xeb\""), ErrNotUTF8},
		"msgpack":  {MessagePack, bytes.Repeat([]byte{0x91}, 18), ErrTooDeep},
		"promises": {MessagePack, []byte{0x95}, ErrTruncated},
		"many":     {MessagePack, []byte{0xdd, 0, 0, 4, 1}, ErrTooMany}, // a list of 1025
		"members":  {MessagePack, []byte{0xdf, 0, 0, 4, 1}, ErrTooMany}, // a map
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Read(c.codec, c.body, Current); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// What is inside a string is no bracket.
func TestBracketsInStringsAreNotDepth(t *testing.T) {
	t.Parallel()
	e := plain(1)
	e.Items[0].SKU = `\"` + strings.Repeat("[{", 20)
	for _, c := range []Codec{JSON, JSONv2, GoJSON} {
		if _, err := Read(c, encoded(t, c, e, Current), Current); err != nil {
			t.Error(err)
		}
	}
}
