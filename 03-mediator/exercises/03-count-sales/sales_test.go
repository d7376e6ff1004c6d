//go:build exercise

package sales

import (
	"sync"
	"testing"
	"time"

	mediator "course.example/03-mediator"
	"course.example/03-mediator/messages"
	"course.example/shop"
)

// shopWith is a shop with the new consumer: what it is told of, and how it is asked.
func shopWith(t *testing.T, s *Sales) (
	mediator.Publisher[*messages.NewOrder], mediator.Sender[OrdersOn, int],
) {
	t.Helper()
	m := mediator.New(mediator.Parallel, 0)
	mediator.Subscribe(m, "CountSales", mediator.BestEffort, s.CountSales)
	if err := mediator.Respond(m, "OrdersOn", s.OrdersOn); err != nil {
		t.Fatal(err)
	}
	ask, err := mediator.SenderOf[OrdersOn, int](m)
	if err != nil {
		t.Fatal(err)
	}
	return mediator.PublisherOf[*messages.NewOrder](m), ask
}

// want is how many orders there must be on each day.
func want(t *testing.T, ask mediator.Sender[OrdersOn, int], days map[string]int) {
	t.Helper()
	for day, orders := range days {
		got, err := ask.Send(t.Context(), OrdersOn{day})
		if err != nil || got != orders {
			t.Errorf("on %s: %d orders, %v; want %d", day, got, err, orders)
		}
	}
}

func TestADayIsTheOrdersAndInUTC(t *testing.T) {
	orders, ask := shopWith(t, new(Sales))
	rome := time.FixedZone("CET", 3600)
	for _, at := range []time.Time{
		time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC),
		time.Date(2026, 12, 1, 0, 30, 0, 0, rome), // in UTC it is still November
		time.Date(2026, 12, 1, 12, 0, 0, 0, rome),
	} {
		order := &messages.NewOrder{Order: shop.Order{ID: "1", PlacedAt: at}}
		if err := orders.Publish(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	want(t, ask, map[string]int{"2026-11-29": 0, "2026-11-30": 2, "2026-12-01": 1})
}

func TestManyAtTheSameTime(t *testing.T) {
	orders, ask := shopWith(t, new(Sales))
	var all sync.WaitGroup
	for range 20_000 {
		all.Go(func() {
			event := &messages.NewOrder{Order: shop.Order{PlacedAt: time.Unix(0, 0)}}
			if err := orders.Publish(t.Context(), event); err != nil {
				t.Error(err)
			}
			if _, err := ask.Send(t.Context(), OrdersOn{"1970-01-02"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want(t, ask, map[string]int{"1970-01-01": 20_000, "1970-01-02": 0})
}
