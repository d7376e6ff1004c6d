package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"course.example/shop"
)

// ErrUnreadable says that a record is no order, and never will be.
var ErrUnreadable = errors.New("unreadable")

// PartitionOf returns the partition of a key. All orders of a customer have the same, and so one reader
// gets them in the order in which they were appended. Between customers there is no order.
func PartitionOf(key string, partitions int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // it has no errors
	return int(h.Sum32() % uint32(partitions))
}

func encode(order shop.Order) ([]byte, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", order.ID, err)
	}
	return body, nil
}

// decode reads an order, and believes nothing of what it says without a look.
func decode(body []byte) (shop.Order, error) {
	var order shop.Order
	if err := json.Unmarshal(body, &order); err != nil {
		return order, fmt.Errorf("%w: no order: %w", ErrUnreadable, err)
	}
	id, err := shop.ParseID(order.ID)
	if err != nil {
		return order, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	order.ID = id.String()
	switch err := order.Validate(); {
	case err != nil:
		return order, fmt.Errorf("%w: %w", ErrUnreadable, err)
	case order.PlacedAt.Before(oldest):
		return order, fmt.Errorf("%w: placed at %s, before there was a shop",
			ErrUnreadable, order.PlacedAt.Format(time.RFC3339))
	}
	return order, nil
}

var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// eventTime is when the order was placed. A customer's clock may be wrong: an order cannot have been
// placed after it was appended, and one from the future would close all windows before their time.
func eventTime(record Record, order shop.Order) time.Time {
	at := order.PlacedAt
	if at.After(record.Appended) {
		at = record.Appended
	}
	return at.UTC().Truncate(time.Millisecond)
}
