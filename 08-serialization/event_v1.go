package serialization

import "time"

// OrderPlacedV1 is the event as version 1 had it. A program with -schema 1 is
// the old program: it knows these fields and no others.
type OrderPlacedV1 struct {
	OrderID     string    `json:"order_id"`
	OrderNumber int64     `json:"order_number,string"`
	UserEmail   string    `json:"user_email"`
	Items       []Item    `json:"items"`
	PlacedAt    time.Time `json:"placed_at"`
	Channel     Channel   `json:"channel"`
	Payment     PaymentV1 `json:"payment"`
}

// PaymentV1 is the oneof before it grew.
type PaymentV1 struct {
	Card    *Card    `json:"card,omitempty"`
	Invoice *Invoice `json:"invoice,omitempty"`
}

// V1 is what a program of version 1 writes, or sees, of the event.
func (e OrderPlaced) V1() OrderPlacedV1 {
	return OrderPlacedV1{
		OrderID: e.OrderID, OrderNumber: e.OrderNumber, UserEmail: e.UserEmail,
		Items: e.Items, PlacedAt: e.PlacedAt, Channel: e.Channel,
		Payment: PaymentV1{Card: e.Payment.Card, Invoice: e.Payment.Invoice},
	}
}

// event is the way back. What version 1 does not have stays empty.
func (e OrderPlacedV1) event() OrderPlaced {
	return OrderPlaced{
		OrderID: e.OrderID, OrderNumber: e.OrderNumber, UserEmail: e.UserEmail,
		Items: e.Items, PlacedAt: e.PlacedAt, Channel: e.Channel,
		Payment: Payment{Card: e.Payment.Card, Invoice: e.Payment.Invoice},
	}
}
