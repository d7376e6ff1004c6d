//go:build exercise

package wire

import (
	"encoding/hex"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// order is a message of this step; example_test.go has its schema.
const order = "0a023432110140feec9c5ce3661a0f616461406578616d706c652e636f6d" +
	"220f0a084d55472d4348414e100218e20928c0ebca92df3330013a060a0434323432"

func TestFieldsOfAnOrder(t *testing.T) {
	placed := time.Date(2026, time.May, 4, 9, 30, 0, 0, time.UTC).UnixMilli()
	item := message(t, "0a084d55472d4348414e100218e209")
	want := []Field{
		{Number: 1, Kind: 2, Bytes: []byte("42")},
		{Number: 2, Kind: 1, Value: 7413871240642707457},
		{Number: 3, Kind: 2, Bytes: []byte("ada@example.com")},
		{Number: 4, Kind: 2, Bytes: item},
		{Number: 5, Kind: 0, Value: uint64(placed)},
		{Number: 6, Kind: 0, Value: 1},
		{Number: 7, Kind: 2, Bytes: message(t, "0a0434323432")},
	}
	got, err := Fields(message(t, order))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	inside, err := Fields(item)
	if err != nil || len(inside) != 3 || inside[2].Value != 1250 {
		t.Errorf("the item: %v, %v; its third field is 1250", inside, err)
	}
}

func TestFields(t *testing.T) {
	for name, c := range map[string]struct {
		hex  string
		want []Field
	}{
		"nothing":               {"", nil},
		"four bytes":            {"0d01000080", []Field{{Number: 1, Kind: 5, Value: 0x80000001}}},
		"an empty text":         {"0a00", []Field{{Number: 1, Kind: 2, Bytes: []byte{}}}},
		"a number of two bytes": {"f87f07", []Field{{Number: 2047, Kind: 0, Value: 7}}},
		"the largest number":    {"f8ffffff0f07", []Field{{Number: 536870911, Kind: 0, Value: 7}}},
		"64 bits": {"08ffffffffffffffffff01",
			[]Field{{Number: 1, Kind: 0, Value: 1<<64 - 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Fields(message(t, c.hex))
			if err != nil || len(got) != len(c.want) ||
				len(got) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestHostileBytes(t *testing.T) {
	for name, text := range map[string]string{
		"half a tag":              "f8",
		"no value":                "08",
		"half a varint":           "08ff",
		"a varint of 65 bits":     "08ffffffffffffffffff03",
		"a varint without end":    "08" + strings.Repeat("ff", 64),
		"7 of 8 bytes":            "0900000000000000",
		"3 of 4 bytes":            "0d000000",
		"a text that is cut off":  "0a05416461",
		"2 GB are promised":       "0affffffff07",
		"2^63 bytes are promised": "0a80808080808080808001",
		"2^64-1 are promised":     "0affffffffffffffffff01",
		"number 0":                "0007",
		"number 536870912":        "808080801007",
		"kind 3":                  "0b",
		"kind 4":                  "0c",
		"kind 6":                  "0e",
		"kind 7":                  "0f",
		"good, then not":          "080709",
	} {
		t.Run(name, func(t *testing.T) {
			body := message(t, text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := Fields(body)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("it became %v, want an error", got)
			}
			if cost := after.TotalAlloc - before.TotalAlloc; cost > 1<<20 {
				t.Errorf("%d bytes cost %d bytes of memory", len(body), cost)
			}
		})
	}
}

func message(t *testing.T, text string) []byte {
	t.Helper()
	body, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
