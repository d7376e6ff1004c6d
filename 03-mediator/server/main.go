// Command server is the whole shop in one process. It is the only place that
// knows the producer and the consumers, and brings them together: what is called
// the composition root.
package main

import (
	"context"
	"net/http"
	"os"

	mediator "course.example/03-mediator"
	"course.example/03-mediator/consumer/email"
	"course.example/03-mediator/consumer/inventory"
	"course.example/03-mediator/messages"
	"course.example/03-mediator/producer"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := mediator.ReadSettings(os.Args[1:])
	if err != nil {
		return err
	}
	handler, err := newShop(settings)
	if err != nil {
		return err
	}
	return shop.Serve(ctx, settings.Addr, handler)
}

func newShop(s mediator.Settings) (http.Handler, error) {
	mailer := email.Mailer{Takes: s.Work}
	stock := inventory.New(s.InventoryWork)

	m := s.Mediator(mediator.Logging, mediator.Timing)
	mediator.Subscribe(m, "SendEmail", mediator.BestEffort, mailer.SendEmail)
	mediator.Subscribe(m, "UpdateInventory", mediator.Essential, stock.UpdateInventory)
	if err := mediator.Respond(m, "StockLevel", stock.Level); err != nil {
		return nil, err
	}

	ask, err := mediator.SenderOf[messages.StockLevel, messages.Stock](m)
	if err != nil {
		return nil, err
	}
	return producer.Controller{
		NewOrders: mediator.PublisherOf[*messages.NewOrder](m),
		Stock:     ask,
	}.Handler(), nil
}
