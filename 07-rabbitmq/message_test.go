package rabbitmq

import (
	"strings"
	"testing"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func newOrder(t testing.TB, email string) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// delivered is what a consumer gets of what a producer published.
func delivered(m amqp.Publishing) amqp.Delivery {
	return amqp.Delivery{
		Headers: m.Headers, Type: m.Type, ContentType: m.ContentType,
		DeliveryMode: m.DeliveryMode, MessageId: m.MessageId, Timestamp: m.Timestamp,
		UserId: m.UserId, Expiration: m.Expiration, Body: m.Body,
	}
}

func TestMessageCarriesTheOrder(t *testing.T) {
	t.Parallel()
	want := newOrder(t, shop.SampleEmail)
	message, err := encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if message.DeliveryMode != amqp.Persistent {
		t.Error("the message is transient: a restart of the broker would lose it")
	}
	if message.MessageId != want.ID || message.Type != OrderPlaced {
		t.Errorf("message id %q type %q", message.MessageId, message.Type)
	}
	got, err := decode(delivered(message))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || got.TotalCents() != want.TotalCents() ||
		!got.PlacedAt.Equal(want.PlacedAt) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestUnreadableMessagesSayWhy(t *testing.T) {
	t.Parallel()
	const seven = "0199d3a0-7c1e-7000-8000-000000000007"
	const id = `"order_id":"` + seven + `","user_email":"ada@example.com"`
	for name, c := range map[string]struct{ messageType, body, id, why string }{
		"not JSON":      {OrderPlaced, "\x00", "", "body is not an order"},
		"empty":         {OrderPlaced, "", "", "body is not an order"},
		"wrong version": {"order.placed.v9", "{" + id + "}", seven, "order.placed.v9"},
		"no type":       {"", "{}", "", `""`},
		"no id":         {OrderPlaced, "{}", "", "order_id"},
		"no UUID":       {OrderPlaced, `{"order_id":"7"}`, "", `"7" is not a UUID`},
		"no items":      {OrderPlaced, "{" + id + "}", seven, "items"},
		"more follows":  {OrderPlaced, "{" + id + "}{}", "", "body is not an order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order, err := decode(amqp.Delivery{Type: c.messageType, Body: []byte(c.body)})
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error %v does not speak of %q", err, c.why)
			}
			if order.ID != c.id {
				t.Errorf("order id %q, want %q", order.ID, c.id)
			}
		})
	}
}
