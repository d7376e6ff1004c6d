package serialization

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// One fuzz test for every decoder. The seeds run with every go test; to look for
// more:
//
//	go test -run '^$' -fuzz '^FuzzProtobuf$' -fuzztime 1m .

func FuzzJSON(f *testing.F)        { fuzz(f, JSON) }
func FuzzJSONv2(f *testing.F)      { fuzz(f, JSONv2) }
func FuzzGoJSON(f *testing.F)      { fuzz(f, GoJSON) }
func FuzzProtobuf(f *testing.F)    { fuzz(f, Protobuf) }
func FuzzMessagePack(f *testing.F) { fuzz(f, MessagePack) }
func FuzzCBOR(f *testing.F)        { fuzz(f, CBOR) }
func FuzzGob(f *testing.F)         { fuzz(f, Gob) }

// fuzz asks three things of every input: the reader does not panic, it comes
// back soon, and what it takes for an order it can write and read again.
func fuzz(f *testing.F, c Codec) {
	for version := Oldest; version <= Current; version++ {
		f.Add(encoded(f, c, sample(2), version), version == Current)
		f.Add(encoded(f, c, plain(1), version), version == Current)
	}
	for _, body := range hostileBodies(f, c) {
		if len(body) <= 1<<10 { // large ones would slow the fuzzer down
			f.Add(body, true)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, current bool) {
		version := Oldest
		if current {
			version = Current
		}
		began := time.Now()
		event, err := Read(c, body, version)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("%d bytes took %s", len(body), took)
		}
		if err != nil {
			return
		}
		again, err := Read(c, encoded(t, c, event, version), version)
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%+v", err, event)
		}
		if again.OrderID != event.OrderID || again.OrderNumber != event.OrderNumber ||
			again.Order().TotalCents() != event.Order().TotalCents() {
			t.Fatalf("read %+v\nthen %+v", event, again)
		}
	})
}

// FuzzMessage is the whole way in: what stands beside the bytes is a stranger's
// word, too.
func FuzzMessage(f *testing.F) {
	for _, c := range Codecs {
		f.Add(EventType, c.ContentType(), int64(Current), encoded(f, c, sample(1), Current))
	}
	f.Add("", "", int64(-1), []byte("{}"))
	var all []Codec
	for _, c := range Codecs {
		all = append(all, c.Codec)
	}
	f.Fuzz(func(t *testing.T, kind, contentType string, version int64, body []byte) {
		event, err := Reader{Codecs: all, Version: Current}.Read(amqp.Delivery{
			Type: kind, ContentType: contentType, Body: body,
			Headers: amqp.Table{HeaderVersion: version},
		})
		if err == nil && event.Validate() != nil {
			t.Fatalf("it took %+v for an order", event)
		}
	})
}

// FuzzCorrectEmail is the read-modify-write of unknown fields.
func FuzzCorrectEmail(f *testing.F) {
	f.Add(encoded(f, JSON, sample(2), Current))
	f.Add(encoded(f, Protobuf, sample(2), Current))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, correct := range []func([]byte, string) ([]byte, error){
			CorrectEmailProtobuf, CorrectEmailJSON, CorrectEmailCarefully,
		} {
			once, err := correct(body, corrected)
			if err != nil {
				continue
			}
			if _, err := correct(once, corrected); err != nil {
				t.Fatalf("it cannot read what it wrote: %v", err)
			}
		}
	})
}
