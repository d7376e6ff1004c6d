package main

import (
	"time"

	saga "course.example/11-saga"
)

// step is where an event leads, and the command that is sent then.
type step struct {
	to   saga.State
	send saga.Kind
}

// machine is the whole business: in this state, when that happens, go there and send this.
var machine = map[saga.State]map[saga.Kind]step{
	"": { // there is no saga yet
		saga.OrderPlaced: {saga.ChargingPayment, saga.ChargePayment},
	},
	saga.ChargingPayment: {
		saga.PaymentCharged: {saga.ReservingStock, saga.ReserveStock},
		saga.PaymentRefused: {to: saga.Cancelled},
	},
	saga.ReservingStock: {
		saga.StockReserved: {saga.ArrangingShipment, saga.ShipOrder},
		saga.StockRefused:  {saga.RefundingPayment, saga.RefundPayment},
	},
	saga.ArrangingShipment: {
		saga.OrderShipped:    {to: saga.Accepted},
		saga.ShippingRefused: {saga.ReleasingStock, saga.ReleaseStock},
	},
	saga.ReleasingStock: {
		saga.StockReleased: {saga.RefundingPayment, saga.RefundPayment},
	},
	saga.RefundingPayment: {
		saga.PaymentRefunded: {to: saga.Cancelled},
	},
}

// say is what follows from a step: the command, and a word to the website.
func say(m saga.Message, s saga.Saga, command saga.Kind) []saga.Message {
	move := saga.Move{OrderID: m.Order.ID, Version: s.Version, By: m.Kind, State: s.State,
		Reason: m.Reason, At: time.Now()}
	moved := saga.Message{ID: m.ID + ">", Kind: saga.SagaMoved, Moves: []saga.Move{move}}
	if command == "" {
		return []saga.Message{moved}
	}
	m.ID, m.Kind = m.ID+">", command
	return []saga.Message{m, moved}
}
