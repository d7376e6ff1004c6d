package saga

import (
	"context"
	"fmt"

	"course.example/shop"
	"github.com/qmuntal/stateless"
)

// State is where the saga of one order stands. A state is named for what is being
// waited for.
type State string

// The states, in the order of a good life, and then of a bad one.
const (
	Initially        State = "Initially"
	ChargingPayment  State = "ChargingPayment"
	ReservingStock   State = "ReservingStock"
	ArrangingShip    State = "ArrangingShipment"
	Accepted         State = "Accepted"
	RecallingShip    State = "RecallingShipment"
	ReleasingStock   State = "ReleasingStock"
	RefundingPayment State = "RefundingPayment"
	Cancelled        State = "Cancelled"
	Parked           State = "Parked"
)

// Pending is what a customer is told of an order whose saga has not begun.
const Pending State = "Pending"

// Ended says that nothing will happen to the saga any more.
func (s State) Ended() bool { return s == Accepted || s == Cancelled }

// Rules are what may differ from one orchestrator to another.
type Rules struct {
	Attempts     int  // how often a command is sent before its silence counts as a no
	Compensating bool // false only in a wrong variant
}

// Saga is what the orchestrator remembers of one order. It is a plain value, and
// [Saga.Fire] is a pure function of it and a message: no clock, no database, no
// network. That is what lets a test walk through every interleaving.
type Saga struct {
	Order    shop.Order
	State    State
	Version  int    // counts the transitions; the database compares it
	Attempts int    // of the command that is under way
	ParkedIn State  // where it could not go on
	Reason   string // why it was cancelled or parked
}

// machine configures the state machine around s. To enter a state is to send its
// command, and to enter it again is to send the command again.
//
// Compensation runs backwards: last done, first undone. A refusal has done
// nothing, so it starts with the step before. Silence may have done something: it
// starts with the silent step itself, whose service must cope with an undo for
// what it has never done.
func (s *Saga) machine(rules Rules, send func(Kind)) *stateless.StateMachine {
	sends := func(kind Kind) stateless.ActionFunc {
		return func(context.Context, ...any) error {
			send(kind)
			return nil
		}
	}
	on := guards{s, rules}
	m := stateless.NewStateMachine(s.State)
	m.Configure(Initially).
		Permit(OrderPlaced, ChargingPayment)
	m.Configure(ChargingPayment).
		OnEntry(sends(ChargePayment)).
		Permit(PaymentCharged, ReservingStock).
		Permit(PaymentRefused, Cancelled).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, RefundingPayment, on.attemptsUsed)
	m.Configure(ReservingStock).
		OnEntry(sends(ReserveStock)).
		Permit(StockReserved, ArrangingShip).
		Permit(StockRefused, rules.instead(RefundingPayment)).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, rules.instead(ReleasingStock), on.attemptsUsed)
	m.Configure(ArrangingShip).
		OnEntry(sends(ShipOrder)).
		Permit(OrderShipped, Accepted).
		Permit(ShippingRefused, rules.instead(ReleasingStock)).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, rules.instead(RecallingShip), on.attemptsUsed)

	// What could not be undone is not forgotten: it is parked, and people are
	// called. An answer that comes late after all sets it free.
	m.Configure(RecallingShip).
		OnEntry(sends(RecallShipment)).
		Permit(ShipmentRecall, ReleasingStock).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, Parked, on.attemptsUsed)
	m.Configure(ReleasingStock).
		OnEntry(sends(ReleaseStock)).
		Permit(StockReleased, RefundingPayment).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, Parked, on.attemptsUsed)
	m.Configure(RefundingPayment).
		OnEntry(sends(RefundPayment)).
		Permit(PaymentRefund, Cancelled).
		Permit(RefundFailed, Parked).
		PermitReentry(Timeout, on.attemptsLeft).
		Permit(Timeout, Parked, on.attemptsUsed)
	m.Configure(Parked).
		Permit(Resume, RecallingShip, on.parkedRecalling).
		Permit(ShipmentRecall, ReleasingStock, on.parkedRecalling).
		Permit(Resume, ReleasingStock, on.parkedReleasing).
		Permit(StockReleased, RefundingPayment, on.parkedReleasing).
		Permit(Resume, RefundingPayment, on.parkedRefunding).
		Permit(PaymentRefund, Cancelled, on.parkedRefunding)
	return m
}

// guards are the conditions of the transitions that have one. Their names are in
// the diagram.
type guards struct {
	saga  *Saga
	rules Rules
}

func (g guards) attemptsLeft(context.Context, ...any) bool {
	return g.saga.Attempts < g.rules.Attempts
}

func (g guards) attemptsUsed(context.Context, ...any) bool {
	return g.saga.Attempts >= g.rules.Attempts
}

func (g guards) parkedRecalling(context.Context, ...any) bool {
	return g.saga.ParkedIn == RecallingShip
}

func (g guards) parkedReleasing(context.Context, ...any) bool {
	return g.saga.ParkedIn == ReleasingStock
}

func (g guards) parkedRefunding(context.Context, ...any) bool {
	return g.saga.ParkedIn == RefundingPayment
}

// Fire takes a message, moves the saga and returns what is to be sent. A message
// that means nothing in this state returns nil and changes nothing: it came
// twice, or after its time.
func (s *Saga) Fire(m Message, rules Rules) ([]Message, error) {
	if m.Kind == Timeout && m.Version != s.Version {
		return nil, nil // the deadline of a state that has been left
	}
	next := *s
	if s.State == Initially {
		next.Order = m.Order
	}
	next.Version++
	var out []Message
	send := func(kind Kind) {
		out = append(out, next.message(kind, m.ByHand))
	}
	machine := s.machine(rules, send)
	if can, err := machine.CanFire(m.Kind); err != nil || !can {
		return nil, err
	}
	if m.Reason != "" && next.Reason == "" {
		next.Reason = m.Reason
	}
	if m.Kind == Timeout && s.Attempts >= rules.Attempts && next.Reason == "" {
		next.Reason = fmt.Sprintf("no answer while %s", s.State)
	}
	if err := machine.Fire(m.Kind); err != nil {
		return nil, fmt.Errorf("saga %s: %w", s.Order.ID, err)
	}
	state, err := machine.State(context.Background())
	if err != nil {
		return nil, fmt.Errorf("saga %s: %w", s.Order.ID, err)
	}
	next.State = state.(State)
	next.Attempts++
	if next.State != s.State {
		next.Attempts = 1
		out = append(out, next.message(SagaMoved, false))
	}
	if next.ParkedIn = ""; next.State == Parked {
		next.ParkedIn = s.State
	}
	*s = next
	for i := range out {
		out[i].Reason = next.Reason
		if out[i].Kind == SagaMoved {
			out[i].State = next.State
		}
	}
	return out, nil
}

func (s *Saga) message(kind Kind, byHand bool) Message {
	return Message{
		ID:   fmt.Sprintf("%s/%d/%s", s.Order.ID, s.Version, kind),
		Kind: kind, Order: s.Order, Version: s.Version, ByHand: byHand,
	}
}
