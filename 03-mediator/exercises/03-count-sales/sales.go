// Package sales counts the orders of each day.
package sales

import (
	"context"
	"errors"

	"course.example/03-mediator/messages"
)

// Sales is how many orders came on which day. The zero value is empty and ready; it is safe for
// concurrent use.
type Sales struct{}

// OrdersOn is a request: how many orders were placed on this day, in UTC?
type OrdersOn struct{ Day string } // 2026-11-30

// CountSales counts an order.
func (s *Sales) CountSales(ctx context.Context, e *messages.NewOrder) error {
	return errors.New("not written yet")
}

// OrdersOn answers the request.
func (s *Sales) OrdersOn(ctx context.Context, q OrdersOn) (int, error) {
	return 0, errors.New("not written yet")
}
