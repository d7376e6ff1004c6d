package inventory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/03-mediator/messages"
	"course.example/lab/locktest"
	"course.example/shop"
)

// order is an event with so many items of one piece each.
func order(items int) *messages.NewOrder {
	e := &messages.NewOrder{Order: shop.Order{Items: make([]shop.Item, items)}}
	for i := range e.Order.Items {
		e.Order.Items[i] = shop.Item{SKU: "A", Quantity: 1}
	}
	return e
}

func left(t *testing.T, s *Stock, sku string) int {
	t.Helper()
	level, err := s.Level(t.Context(), messages.StockLevel{SKU: sku})
	if err != nil || level.SKU != sku {
		t.Errorf("asked for %s: %+v, %v", sku, level, err)
	}
	return level.Left
}

func TestWhatIsOrderedIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second)
		e := &messages.NewOrder{Order: shop.Order{Items: []shop.Item{
			{SKU: "A", Quantity: 3}, {SKU: "B", Quantity: 1}, {SKU: "A", Quantity: 4},
		}}}
		began := time.Now()
		if err := s.UpdateInventory(t.Context(), e); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		if a, b := left(t, s, "A"), left(t, s, "B"); a != Full-7 || b != Full-1 {
			t.Errorf("left are %d of A and %d of B", a, b)
		}
	})
}

// Whose time is over takes nothing at all, and says so at once.
func TestNothingIsTakenWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := s.UpdateInventory(ctx, order(3))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		if a := left(t, s, "A"); a != Full {
			t.Errorf("left are %d", a)
		}
	})
}

func TestWhoIsAtTheStockIsAlone(t *testing.T) {
	t.Parallel()
	s := New(0)
	for name, visit := range map[string]func(){
		"UpdateInventory": func() { _ = s.UpdateInventory(t.Context(), order(1)) },
		"Level":           func() { left(t, s, "A") },
	} {
		t.Run(name, func(t *testing.T) { locktest.Waits(t, &s.mu, visit) })
	}
}

// Whoever looks while an order is taken sees none of it or all of it. To look for so
// long a name takes its time: somebody who looks all the while is sure to see a part.
func TestNobodySeesHalfAnOrder(t *testing.T) {
	t.Parallel()
	s := New(0)
	const items = 20_000
	e, sku := order(items), strings.Repeat("A", 1<<16)
	for i := range e.Order.Items {
		e.Order.Items[i].SKU = sku
	}
	done := make(chan error, 1)
	go func() { done <- s.UpdateInventory(t.Context(), e) }()
	for {
		if a := left(t, s, sku); a != Full && a != Full-items {
			t.Fatalf("left are %d of %d, while an order of %d is taken", a, Full, items)
		}
		select {
		case err := <-done:
			if a := left(t, s, sku); err != nil || a != Full-items {
				t.Errorf("left are %d, %v", a, err)
			}
			return
		default:
		}
	}
}
