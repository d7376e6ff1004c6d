package observability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// Inject puts bad messages into the orders queue: "garbage" that is no order, or each order as a
// "duplicate", two messages with the same content.
func Inject(ctx context.Context, s Settings, kind string, count int) (err error) {
	if kind != "garbage" && kind != "duplicate" {
		return usagef("kind %q is unknown; there are: garbage, duplicate", kind)
	}
	if count < 1 || count > shop.MaxCount {
		return usagef("count must be 1 to %d, is %d", shop.MaxCount, count)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	b := Connect(s)
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.publisher.untilConnected(ctx); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	for range count {
		if kind == "garbage" {
			m := message.NewMessage(watermill.NewUUID(), []byte("not an order"))
			if err := b.publisher.Publish(OrdersTopic, m); err != nil {
				return fmt.Errorf("inject: %w", err)
			}
			continue
		}
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			return err
		}
		body, err := json.Marshal(order)
		if err != nil {
			return fmt.Errorf("inject: %w", err)
		}
		for range 2 {
			m := message.NewMessage(watermill.NewUUID(), body)
			middleware.SetCorrelationID(order.ID, m)
			if err := b.publisher.Publish(OrdersTopic, m); err != nil {
				return fmt.Errorf("inject: %w", err)
			}
		}
		shop.Accepted(ctx, order.ID)
	}
	return nil
}
