package serialization

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// large needs more digits than a float64 has: 2^53 + 1.
const large = 1<<53 + 1

// sample is an event of version 2 that uses everything, with so many items.
func sample(items int) OrderPlaced {
	e := OrderPlaced{
		OrderID:     "0199d3a0-7c1e-7000-8000-000000000008",
		OrderNumber: 7_413_871_240_642_707_457, // odd, and 63 bits long
		UserEmail:   "zoë@example.com",
		PlacedAt:    time.Date(2026, time.May, 4, 9, 30, 0, 123e6, time.UTC),
		Channel:     App,
		Payment:     Payment{Wallet: &Wallet{Provider: "PayFriend"}},
		Contact:     &Contact{Email: "zoë@example.com", Phone: "+49 30 1234567"},
	}
	for i := range items {
		e.Items = append(e.Items, Item{
			SKU: fmt.Sprintf("SKU-%06d", i), Quantity: int32(1 + i%9), PriceCents: int64(1999 + i)})
	}
	return e
}

// plain is an event that version 1 can say, too.
func plain(items int) OrderPlaced {
	e := sample(items)
	e.Channel, e.Payment, e.Contact = Phone, Payment{Card: &Card{"4242"}}, nil
	return e
}

func same(t *testing.T, got, want OrderPlaced) {
	t.Helper()
	if !got.PlacedAt.Equal(want.PlacedAt) {
		t.Errorf("placed at %s, want %s", got.PlacedAt, want.PlacedAt)
	}
	got.PlacedAt = want.PlacedAt // equal times may differ in how they hold their zone
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// forEach runs a test for every codec.
func forEach(t *testing.T, test func(t *testing.T, c Codec)) {
	t.Helper()
	for _, c := range Codecs {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			test(t, c.Codec)
		})
	}
}

func encoded(t testing.TB, c Codec, e OrderPlaced, version int) []byte {
	t.Helper()
	body, err := c.Encode(e, version)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestWhatGoesInComesOut(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		for _, items := range []int{1, 5, 200} {
			for _, want := range []OrderPlaced{sample(items), plain(items)} {
				got, err := Read(c, encoded(t, c, want, Current), Current)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, want)
			}
		}
	})
}

func TestLargestOrderOfTheCounterIsRead(t *testing.T) {
	t.Parallel()
	e := sample(200)
	for i := range e.Items {
		// What encoding/json escapes takes six bytes for one.
		e.Items[i] = Item{SKU: strings.Repeat("<", 64), Quantity: 1000, PriceCents: 100_000_000}
	}
	forEach(t, func(t *testing.T, c Codec) {
		body := encoded(t, c, e, Current)
		if _, err := Read(c, body, Current); err != nil {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	})
}

// A content type names a format and not a library: what one of the three JSON
// libraries writes, the others read.
func TestOneContentTypeIsOneFormat(t *testing.T) {
	t.Parallel()
	want := sample(5)
	for _, writer := range Codecs {
		for _, reader := range Codecs {
			got, err := Read(reader, encoded(t, writer, want, Current), Current)
			if writer.ContentType() != reader.ContentType() {
				if err == nil {
					t.Errorf("%s reads what %s wrote", reader.Name, writer.Name)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, want)
		}
	}
}

func TestUnknownCodecIsAUsageError(t *testing.T) {
	t.Parallel()
	if _, err := FindCodec("xml"); err == nil || !strings.Contains(err.Error(), "protobuf") {
		t.Errorf("error %v does not list the codecs", err)
	}
}

func TestOrderNumbersAreUniqueAndLong(t *testing.T) {
	t.Parallel()
	n := &numbers{node: 1023}
	last := int64(0)
	for range 100_000 {
		next := n.next()
		if next <= last {
			t.Fatalf("%d after %d", next, last)
		}
		last = next
	}
	if last < large {
		t.Errorf("%d fits a float64", last)
	}
}
