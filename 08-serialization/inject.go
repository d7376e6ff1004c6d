package serialization

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Inject puts count hostile messages into the queue, each confirmed: every kind
// in turn, in every format that a consumer reads by default. Each has an order's
// name beside its bytes and is logged as accepted, so that somebody answers for
// it.
func Inject(ctx context.Context, settings Settings, count int) (err error) {
	on, err := connect(ctx, settings.URL, "inject")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()
	l, err := newLine(ctx, on)
	if err != nil {
		return err
	}
	for i := range count {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err == nil {
			err = l.put(ctx, Queue, hostile(order.ID, i))
		}
		if err != nil {
			return fmt.Errorf("inject: %w", err)
		}
		shop.Accepted(ctx, order.ID)
	}
	return nil
}

func hostile(id string, i int) amqp.Publishing {
	m := amqp.Publishing{
		Type: EventType, ContentType: JSON.ContentType(), MessageId: id,
		DeliveryMode: amqp.Persistent,
		Headers:      amqp.Table{HeaderVersion: int32(Current), HeaderReader: int32(Oldest)},
	}
	kinds := []func(){
		func() { m.Body = []byte("\x00 this is not JSON") },
		func() { m.Body = []byte(`{"order_id": "cut off`) },
		func() { m.Body = bytes.Repeat([]byte("["), MaxBytes) },
		func() { m.Body = bytes.Repeat([]byte(" "), MaxBytes+1) },
		func() { m.Body = []byte(`{"order_id": 7}`) },
		func() { m.Body = []byte("{\"order_id\": \"\xff\"}") },
		func() { m.ContentType = Protobuf.ContentType(); m.Body = []byte("\x0a\xff\xff\x03no") },
		func() { m.ContentType = "text/xml" },
		func() { m.Headers = amqp.Table{HeaderVersion: int32(9)} },
		func() { m.Headers = nil },
	}
	kinds[i%len(kinds)]()
	return m
}
