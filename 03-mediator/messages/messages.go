// Package messages is all that the two sides of the mediator know in common:
// what is said between them, and nothing of who says it.
package messages

import (
	"log/slog"

	"course.example/shop"
)

// NewOrder is an event: a customer has placed an order. Its name tells of
// something that has happened, and not of what anybody should do about it.
//
// It is published as a pointer, as C# does: one event for all handlers, and no
// copy for each. No handler may change it.
type NewOrder struct{ Order shop.Order }

// LogValue makes the order's identity the attribute "order" of a log line.
func (e NewOrder) LogValue() slog.Value {
	return slog.GroupValue(slog.String("order", e.Order.ID))
}

// StockLevel is a request: how many pieces are left?
type StockLevel struct{ SKU string }

// LogValue makes what is asked for the attribute "sku" of a log line.
func (q StockLevel) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sku", q.SKU))
}

// Stock is the answer to [StockLevel].
type Stock struct {
	SKU  string `json:"sku"`
	Left int    `json:"left"` // below zero what has been sold and must be ordered
}
