package streams

import (
	"context"
	"fmt"
	"time"

	"course.example/shop"
)

// Kinds of records that [Inject] knows.
const Kinds = "garbage, duplicate or ancient"

// Inject appends count records of a kind, past the producer. Garbage is no order. A duplicate is one
// order twice, under two ids, so that the log cannot know. Ancient is an order that was placed an hour
// ago. Good orders are logged as accepted.
func Inject(ctx context.Context, log Log, settings Settings, kind string, count int) error {
	for range count {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			return err
		}
		order = settings.vary(order)
		body, err := encode(order)
		if err != nil {
			return err
		}
		partition := PartitionOf(order.UserEmail, settings.Partitions)
		switch kind {
		case "garbage":
			err = log.Append(ctx, partition, "garbage-"+order.ID, body[:len(body)/2])
		case "ancient":
			order.PlacedAt = order.PlacedAt.Add(-time.Hour)
			if body, err = encode(order); err == nil {
				err = log.Append(ctx, partition, order.ID, body)
			}
		case "duplicate":
			if err = log.Append(ctx, partition, order.ID, body); err == nil {
				err = log.Append(ctx, partition, "again-"+order.ID, body)
			}
		default:
			return usagef("kind %q is unknown: want %s", kind, Kinds)
		}
		if err != nil {
			return fmt.Errorf("inject: %w", err)
		}
		if kind != "garbage" {
			shop.Accepted(ctx, order.ID)
		}
	}
	return nil
}
