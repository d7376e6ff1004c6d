package serialization

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestMessagesThatAConsumerCannotRead(t *testing.T) {
	t.Parallel()
	good, err := Writer{JSON, Current}.Write(plain(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		reader Reader
		change func(*amqp.Delivery)
		want   error
		says   string
	}{
		"good": {Reader{Codecs: []Codec{JSON}, Version: 2}, func(*amqp.Delivery) {}, nil, ""},
		"newer, and says that old readers may": {Reader{Codecs: []Codec{JSON}, Version: 1},
			func(*amqp.Delivery) {}, nil, ""},
		"another codec": {Reader{Codecs: []Codec{Protobuf, CBOR}, Version: 2},
			func(*amqp.Delivery) {}, ErrForeignCodec,
			`"application/json"; this consumer reads application/protobuf, application/cbor`},
		"no content type": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.ContentType = "" }, ErrForeignCodec, `""`},
		"another type": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.Type = "order.paid" }, ErrForeignType, "order.paid"},
		"version from the future": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.Headers = amqp.Table{HeaderVersion: int64(9)} },
			ErrForeignVersion, "version 9 needs a reader of version 9; this consumer is version 2"},
		"from the future, and breaking": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) {
				d.Headers = amqp.Table{HeaderVersion: int8(9), HeaderReader: int16(3)}
			}, ErrForeignVersion, "needs a reader of version 3"},
		"from the future, and compatible": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) {
				d.Headers = amqp.Table{HeaderVersion: uint8(9), HeaderReader: int64(2)}
			}, nil, ""},
		"no version": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.Headers = nil }, ErrForeignVersion, "is missing"},
		"version zero": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.Headers = amqp.Table{HeaderVersion: uint16(0)} },
			ErrForeignVersion, "version 0"},
		"version as text": {Reader{Codecs: []Codec{JSON}, Version: 2},
			func(d *amqp.Delivery) { d.Headers = amqp.Table{HeaderVersion: "2"} },
			ErrForeignVersion, "no number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := delivered(good)
			c.change(&d)
			_, err := c.reader.Read(d)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.says)
			}
		})
	}
}

// delivered is what a consumer gets of what a producer published.
func delivered(m amqp.Publishing) amqp.Delivery {
	return amqp.Delivery{
		Headers: m.Headers, Type: m.Type, ContentType: m.ContentType, MessageId: m.MessageId,
		DeliveryMode: m.DeliveryMode, Timestamp: m.Timestamp, Body: m.Body,
	}
}

func TestMessageSurvivesARestartAndHasAName(t *testing.T) {
	t.Parallel()
	e := plain(1)
	m, err := Writer{Protobuf, Current}.Write(e)
	if err != nil {
		t.Fatal(err)
	}
	if m.DeliveryMode != amqp.Persistent || m.MessageId != e.OrderID ||
		m.ContentType != "application/protobuf" {
		t.Errorf("got %+v", m)
	}
}
