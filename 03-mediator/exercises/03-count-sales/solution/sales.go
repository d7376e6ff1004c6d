// Package sales counts the orders of each day.
package sales

import (
	"context"
	"sync"
	"time"

	"course.example/03-mediator/messages"
)

// Sales is how many orders came on which day. The zero value is empty and ready; it is safe for
// concurrent use.
type Sales struct {
	mu    sync.Mutex
	byDay map[string]int
}

// OrdersOn is a request: how many orders were placed on this day, in UTC?
type OrdersOn struct{ Day string } // 2026-11-30

// CountSales counts an order.
func (s *Sales) CountSales(_ context.Context, e *messages.NewOrder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDay == nil {
		s.byDay = map[string]int{}
	}
	s.byDay[e.Order.PlacedAt.UTC().Format(time.DateOnly)]++
	return nil
}

// OrdersOn answers the request.
func (s *Sales) OrdersOn(_ context.Context, q OrdersOn) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byDay[q.Day], nil
}
