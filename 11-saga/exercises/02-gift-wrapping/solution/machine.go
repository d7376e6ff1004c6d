// Package machine leads an order through four services.
package machine

import saga "course.example/11-saga"

// Step is where an event leads, and the command that is sent then.
type Step struct {
	To   saga.State
	Send saga.Kind
}

// What the gift wrapping says and is told.
const (
	Wrap      saga.Kind = "wrapping.wrap"
	Wrapped   saga.Kind = "wrapping.wrapped"
	NoPaper   saga.Kind = "wrapping.refused"
	Unwrap    saga.Kind = "wrapping.unwrap"
	Unwrapped saga.Kind = "wrapping.unwrapped"
)

// The states in which it is waited for.
const (
	Wrapping   saga.State = "Wrapping"
	Unwrapping saga.State = "Unwrapping"
)

// Machine says for each state what an event leads to.
var Machine = map[saga.State]map[saga.Kind]Step{
	saga.Initially: {
		saga.OrderPlaced: {saga.ChargingPayment, saga.ChargePayment},
	},
	saga.ChargingPayment: {
		saga.PaymentCharged: {saga.ReservingStock, saga.ReserveStock},
		saga.PaymentRefused: {To: saga.Cancelled},
	},
	saga.ReservingStock: {
		saga.StockReserved: {Wrapping, Wrap},
		saga.StockRefused:  {saga.RefundingPayment, saga.RefundPayment},
	},
	Wrapping: {
		Wrapped: {saga.ArrangingShipment, saga.ShipOrder},
		NoPaper: {saga.ReleasingStock, saga.ReleaseStock},
	},
	saga.ArrangingShipment: {
		saga.OrderShipped:    {To: saga.Accepted},
		saga.ShippingRefused: {Unwrapping, Unwrap},
	},
	Unwrapping: {
		Unwrapped: {saga.ReleasingStock, saga.ReleaseStock},
	},
	saga.ReleasingStock: {
		saga.StockReleased: {saga.RefundingPayment, saga.RefundPayment},
	},
	saga.RefundingPayment: {
		saga.PaymentRefunded: {To: saga.Cancelled},
	},
}
