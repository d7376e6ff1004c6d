// Package inventory keeps the stock. It does not know who tells it of an order,
// nor who else is told.
package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"course.example/03-mediator/messages"
)

// Full is how many pieces of everything there are in the beginning.
const Full = 1_000_000

// Stock is what is on the shelves, in the memory of this process and nowhere
// else. It is safe for concurrent use.
type Stock struct {
	takes time.Duration // for one order

	mu    sync.Mutex
	taken map[string]int // by SKU
}

// New returns a full stock. To take an order from it takes the given time.
func New(takes time.Duration) *Stock {
	return &Stock{takes: takes, taken: map[string]int{}}
}

// UpdateInventory takes what was ordered from the stock: all of it, or nothing
// when its context ends first.
func (s *Stock) UpdateInventory(ctx context.Context, e *messages.NewOrder) error {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("nothing was taken from the stock: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range e.Order.Items {
		s.taken[item.SKU] += item.Quantity
	}
	return nil
}

// Level says how much is left.
func (s *Stock) Level(_ context.Context, q messages.StockLevel) (messages.Stock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return messages.Stock{SKU: q.SKU, Left: Full - s.taken[q.SKU]}, nil
}
