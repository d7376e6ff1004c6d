package saga

import (
	"encoding/json"
	"strings"
	"testing"

	"course.example/lab/services/servicestest"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Whatever somebody writes to a service's queue, the others are not held up.
func TestStrangersMessages(t *testing.T) {
	servicestest.Strangers(t, servicestest.WorkQueue{
		Package: "./payment", Env: []string{"DATABASE_URL=" + servicestest.Postgres(t)},
		Queue: "payment", Dead: deadLetters, JSON: true, Member: "order",
		Says: string(PaymentCharged),
		Order: func(t testing.TB) (string, amqp.Publishing) {
			order := newOrder(t, clients[0])
			body, err := json.Marshal(Message{ID: order.ID, Kind: ChargePayment, Order: order})
			if err != nil {
				t.Fatal(err)
			}
			return order.ID, amqp.Publishing{Type: string(ChargePayment), MessageId: order.ID,
				ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body}
		},
		More: []servicestest.Stranger{
			{Name: "for another service", Change: rewritten(func(m *Message) { m.Kind = ShipOrder }),
				Want: servicestest.Dead},
			{Name: "of no kind", Change: rewritten(func(m *Message) { m.Kind = "" }),
				Want: servicestest.Dead},
			{Name: "a command of 100 kB", Change: rewritten(func(m *Message) {
				m.Kind = Kind(strings.Repeat("k", 100_000))
			}), Want: servicestest.Dead},
			{Name: "a reason with a NUL", Change: rewritten(func(m *Message) {
				m.Kind, m.Reason = RefundPayment, "\x00"
			}), Want: servicestest.Dead},
			{Name: "a reason of 100 kB", Change: rewritten(func(m *Message) {
				m.Reason = strings.Repeat("€", 33_000)
			}), Want: servicestest.Dead},
			{Name: "moves of nobody", Change: rewritten(func(m *Message) {
				m.Kind, m.Moves = SagaMoved, []Move{{OrderID: "\x00"}}
			}), Want: servicestest.Dead},
		},
	})
}

func rewritten(change func(*Message)) func(*amqp.Publishing) {
	return func(p *amqp.Publishing) {
		var m Message
		if json.Unmarshal(p.Body, &m) != nil {
			return
		}
		change(&m)
		if body, err := json.Marshal(m); err == nil {
			p.Body = body
		}
	}
}
