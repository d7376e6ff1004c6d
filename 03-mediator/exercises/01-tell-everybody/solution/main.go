// Command server is the whole shop: a producer, two consumers, and a mediator between them.
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"course.example/03-mediator/consumer/email"
	"course.example/03-mediator/consumer/inventory"
	"course.example/03-mediator/messages"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	work, err := time.ParseDuration(os.Getenv("WORK"))
	if err != nil {
		return err
	}
	slow, err := time.ParseDuration(cmp.Or(os.Getenv("INVENTORY_WORK"), os.Getenv("WORK")))
	if err != nil {
		return err
	}
	limit, err := time.ParseDuration(cmp.Or(os.Getenv("HANDLER_TIMEOUT"), "4s"))
	if err != nil {
		return err
	}
	mediator := Mediator{limit: limit}
	mediator.Subscribe(false, email.Mailer{Takes: work}.SendEmail)
	mediator.Subscribe(true, inventory.New(slow).UpdateInventory)

	place := func(ctx context.Context, order shop.Order) error {
		shop.Received(ctx, order.ID, 1)
		if err := mediator.Publish(ctx, &messages.NewOrder{Order: order}); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		return nil
	}
	counter := shop.Counter{Place: place, Status: http.StatusOK} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}

type Handler func(ctx context.Context, event *messages.NewOrder) error

// Mediator knows the handlers; the producer does not.
type Mediator struct {
	limit    time.Duration // of one call of one handler
	handlers []subscription
}

type subscription struct {
	essential bool
	handle    Handler
}

// Subscribe adds a handler. If it is essential, an order is not sold without it.
func (m *Mediator) Subscribe(essential bool, h Handler) {
	m.handlers = append(m.handlers, subscription{essential, h})
}

// Publish tells every handler, and returns the errors of those that are essential.
func (m *Mediator) Publish(ctx context.Context, event *messages.NewOrder) error {
	var failed []error
	for _, s := range m.handlers {
		err := m.tell(ctx, s.handle, event)
		switch {
		case err != nil && s.essential:
			failed = append(failed, err)
		case err != nil:
			slog.WarnContext(ctx, "handler failed", "order", event.Order.ID, "reason", err)
		}
	}
	return errors.Join(failed...)
}

func (m *Mediator) tell(ctx context.Context, h Handler, event *messages.NewOrder) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	return h(ctx, event)
}
