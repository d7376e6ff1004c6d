// Package machine leads an order through three services.
package machine

import saga "course.example/11-saga"

// Step is where an event leads, and the command that is sent then.
type Step struct {
	To   saga.State
	Send saga.Kind
}

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
		saga.StockReserved: {saga.ArrangingShipment, saga.ShipOrder},
		saga.StockRefused:  {saga.RefundingPayment, saga.RefundPayment},
	},
	saga.ArrangingShipment: {
		saga.OrderShipped:    {To: saga.Accepted},
		saga.ShippingRefused: {saga.ReleasingStock, saga.ReleaseStock},
	},
	saga.ReleasingStock: {
		saga.StockReleased: {saga.RefundingPayment, saga.RefundPayment},
	},
	saga.RefundingPayment: {
		saga.PaymentRefunded: {To: saga.Cancelled},
	},
}
