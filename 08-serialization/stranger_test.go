package serialization

import (
	"strings"
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Whatever somebody writes to the queue, the others are not held up.
func TestStrangersMessages(t *testing.T) {
	q := strangersTo("json")
	q.More = []servicestest.Stranger{
		{Name: "a quantity as long as a body may be", Want: servicestest.Dead,
			Change: func(m *amqp.Publishing) {
				m.Body = []byte(strings.Replace(string(m.Body), `"quantity":1`,
					`"quantity":`+strings.Repeat("7", MaxBytes-len(m.Body)), 1))
			}},
		{Name: "headers to which nothing can be added", Want: servicestest.Dead,
			Change: func(m *amqp.Publishing) {
				m.Headers["x-stuff"], m.Body = strings.Repeat("x", 130_800), []byte("?")
			}},
		named("text/json"), named("application/JSON;charset=UTF-8"),
	}
	servicestest.Strangers(t, q)
}

// A format has more than one name, and its content type more than one spelling.
func TestStrangersMessagesInOtherFormats(t *testing.T) {
	for codec, more := range map[string][]servicestest.Stranger{
		"protobuf": {named("application/x-protobuf"), named("application/vnd.google.protobuf"),
			named(`Application/Protobuf ; messageType="order.placed"`)},
		"msgpack": {named("application/msgpack"), named("application/x-msgpack")},
	} {
		t.Run(codec, func(t *testing.T) {
			q := strangersTo(codec)
			q.Env, q.More = []string{"CODEC=" + codec}, more
			servicestest.Strangers(t, q)
		})
	}
}

// named is an order whose content type is spelled like that.
func named(contentType string) servicestest.Stranger {
	return servicestest.Stranger{Name: contentType, Want: servicestest.Done,
		Change: func(m *amqp.Publishing) { m.ContentType = contentType }}
}

func strangersTo(codec string) servicestest.WorkQueue {
	ids := &numbers{node: 7}
	return servicestest.WorkQueue{
		Package: "./consumer", Queue: Queue, Dead: DeadQueue, JSON: codec == "json",
		Order: func(t testing.TB) (string, amqp.Publishing) {
			t.Helper()
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			if err != nil {
				t.Fatal(err)
			}
			written, err := FindCodec(codec)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Writer{written, Current}.Write(NewEvent(order, ids.next(), Current))
			if err != nil {
				t.Fatal(err)
			}
			return order.ID, m
		},
	}
}
