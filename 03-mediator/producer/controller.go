// Package producer is the web side of the shop. It takes orders over HTTP and
// tells the mediator of them. Look at its imports: it does not know that there
// are e-mails, and which handler keeps the stock.
package producer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	mediator "course.example/03-mediator"
	"course.example/03-mediator/messages"
	"course.example/shop"
)

// Controller is the HTTP API. It is safe for concurrent use.
type Controller struct {
	NewOrders mediator.Publisher[*messages.NewOrder]
	Stock     mediator.Sender[messages.StockLevel, messages.Stock]
}

// Handler serves the shop's contract, and GET /stock/{sku} besides.
func (c Controller) Handler() http.Handler {
	counter := shop.Counter{
		Place: c.place,
		// The handlers have done their work before the customer is answered.
		Status: http.StatusOK,
	}
	mux := counter.Handler()
	mux.HandleFunc("GET /stock/{sku}", c.stock)
	return mux
}

// place publishes the order and waits until every handler has answered. The
// order stands if all that is essential to it has been done. If not, the customer
// is told so, and what was done by half is left as it is: the line in the log is
// all there is of it.
func (c Controller) place(ctx context.Context, order shop.Order) error {
	// A customer who hangs up in the middle must not leave half an order behind.
	ctx = context.WithoutCancel(ctx)
	began := time.Now()
	shop.Received(ctx, order.ID, 1)
	err := c.NewOrders.Publish(ctx, &messages.NewOrder{Order: order})

	failed := new(mediator.PublishError)
	if errors.As(err, &failed) && failed.Essential() {
		shop.Failed(ctx, order.ID, err.Error(), slog.Any("done", failed.Done))
		return fmt.Errorf("order %s: %w", order.ID, err)
	}
	// What is best effort and has failed has a line of its own: "handler failed".
	shop.Processed(ctx, order.ID, slog.Duration("took", time.Since(began)))
	return nil
}

// stock asks the mediator and waits for its answer: a request, not an event.
func (c Controller) stock(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	stock, err := c.Stock.Send(r.Context(), messages.StockLevel{SKU: r.PathValue("sku")})
	var answer any = stock
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		answer = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.DebugContext(r.Context(), "answer not delivered", "error", err)
	}
}
