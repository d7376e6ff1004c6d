// Command server is the whole shop: a producer, two consumers, and a mediator between them.
package main

import (
	"cmp"
	"context"
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
	var mediator Mediator
	mediator.Subscribe(email.Mailer{Takes: work}.SendEmail)
	mediator.Subscribe(inventory.New(slow).UpdateInventory)

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
type Mediator struct{ handlers []Handler }

func (m *Mediator) Subscribe(h Handler) { m.handlers = append(m.handlers, h) }

func (m *Mediator) Publish(ctx context.Context, event *messages.NewOrder) error {
	for _, handle := range m.handlers {
		if err := handle(ctx, event); err != nil {
			return err
		}
	}
	return nil
}
