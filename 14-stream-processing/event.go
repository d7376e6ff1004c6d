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

// event is what a record says: that an order was placed, or that one was paid.
type event struct {
	shop.Order
	Payment *Payment `json:"payment"` // and nothing else is in the record
}

func encode(order shop.Order) ([]byte, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", order.ID, err)
	}
	return body, nil
}

func encodePayment(p Payment) ([]byte, error) {
	body, err := json.Marshal(map[string]Payment{"payment": p})
	if err != nil {
		return nil, fmt.Errorf("payment of order %s: %w", p.OrderID, err)
	}
	return body, nil
}

// decode reads an order or a payment, and believes nothing of what it says without a look.
func decode(body []byte) (event, error) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("%w: no order: %w", ErrUnreadable, err)
	}
	if e.Payment != nil {
		return e, e.Payment.check()
	}
	id, err := shop.ParseID(e.ID)
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	e.ID = id.String()
	switch err := e.Validate(); {
	case err != nil:
		return e, fmt.Errorf("%w: %w", ErrUnreadable, err)
	case e.PlacedAt.Before(oldest):
		return e, fmt.Errorf("%w: placed at %s, before there was a shop",
			ErrUnreadable, e.PlacedAt.Format(time.RFC3339))
	}
	return e, nil
}

// check gives the identity of the order its one spelling.
func (p *Payment) check() error {
	id, err := shop.ParseID(p.OrderID)
	switch {
	case err != nil:
		return fmt.Errorf("%w: a payment: %w", ErrUnreadable, err)
	case p.Cents < 0:
		return fmt.Errorf("%w: a payment of %d cents", ErrUnreadable, p.Cents)
	case p.PaidAt.Before(oldest):
		return fmt.Errorf("%w: paid at %s, before there was a shop",
			ErrUnreadable, p.PaidAt.Format(time.RFC3339))
	}
	p.OrderID = id.String()
	return nil
}

var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// eventTime is when the order was placed.
func eventTime(record Record, order shop.Order) time.Time { return believed(record, order.PlacedAt) }

// believed is a time that a record tells of itself. The clock there may be wrong: nothing can have
// happened after it was appended, and a time in the future would close all windows too soon.
func believed(record Record, at time.Time) time.Time {
	if at.After(record.Appended) {
		at = record.Appended
	}
	return at.UTC().Truncate(time.Millisecond)
}
