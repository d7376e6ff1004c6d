package saga

import (
	"fmt"
	"slices"

	"course.example/shop"
)

// State is where the saga of one order stands. A state is named for what is being
// waited for. Richardson calls it a semantic lock: while an order is in one of
// these, everybody can see that it is not settled, and may still be taken back.
type State string

// The states, in the order of a good life, and then of a bad one.
const (
	Initially         State = "Initially"
	ChargingPayment   State = "ChargingPayment"
	ReservingStock    State = "ReservingStock"
	ArrangingShipment State = "ArrangingShipment"
	Accepted          State = "Accepted"
	RecallingShipment State = "RecallingShipment"
	ReleasingStock    State = "ReleasingStock"
	RefundingPayment  State = "RefundingPayment"
	Cancelled         State = "Cancelled"
	Parked            State = "Parked"
)

// Pending is what a customer is told of an order whose saga has not begun.
const Pending State = "Pending"

// Ended says that nothing will happen to the saga any more.
func (s State) Ended() bool { return s == Accepted || s == Cancelled }

// orderSaga is the whole business. To enter a state is to send its command. If
// there is no answer the command is sent again, and when the last attempt is used
// up too, the saga goes where Timeout leads.
//
// Charging and reserving are compensatable. To ship is the pivot: once it has
// happened the order is never taken back. The compensations are retriable: they
// are tried until they succeed, if need be by people.
//
// Compensation runs backwards: last done, first undone. A refusal has done
// nothing, so it starts with the step before. Silence may have done something: it
// starts with the silent step itself, whose service must cope with an undo for
// what it has never done.
var orderSaga = machine{
	during(Initially, nothing,
		when(OrderPlaced).to(ChargingPayment)),
	during(ChargingPayment, send(ChargePayment),
		when(PaymentCharged).to(ReservingStock),
		when(PaymentRefused).to(Cancelled),
		when(Timeout).to(RefundingPayment)),
	during(ReservingStock, send(ReserveStock),
		when(StockReserved).to(ArrangingShipment),
		when(StockRefused).to(RefundingPayment),
		when(Timeout).to(ReleasingStock)),
	during(ArrangingShipment, send(ShipOrder),
		when(OrderShipped).to(Accepted),
		when(ShippingRefused).to(ReleasingStock),
		when(Timeout).to(RecallingShipment)),

	during(RecallingShipment, send(RecallShipment),
		when(ShipmentRecalled).to(ReleasingStock),
		when(RecallFailed).to(Parked),
		when(Timeout).to(Parked)),
	during(ReleasingStock, send(ReleaseStock),
		when(StockReleased).to(RefundingPayment),
		when(ReleaseFailed).to(Parked),
		when(Timeout).to(Parked)),
	during(RefundingPayment, send(RefundPayment),
		when(PaymentRefunded).to(Cancelled),
		when(RefundFailed).to(Parked),
		when(Timeout).to(Parked)),
}

// machine is a table of states. What is not in it means nothing, and is ignored.
type machine []row

type row struct {
	state   State
	command Kind // sent on entering the state, and again after each silence
	edges   []edge
}

type edge struct {
	event Kind
	state State
}

const nothing Kind = ""

func during(s State, command Kind, edges ...edge) row { return row{s, command, edges} }
func send(command Kind) Kind                          { return command }
func when(event Kind) edge                            { return edge{event: event} }
func (e edge) to(s State) edge                        { e.state = s; return e }

func (m machine) row(s State) row {
	if i := slices.IndexFunc(m, func(r row) bool { return r.state == s }); i >= 0 {
		return m[i]
	}
	return row{}
}

// next is where an event leads. What could not be undone is parked until an
// operator resumes it; an answer that comes late after all sets it free.
func (m machine) next(s Saga, event Kind, attempts int) (State, bool) {
	in := s.State
	switch {
	case in == Parked && event == Resume:
		return s.ParkedIn, true
	case in == Parked:
		in = s.ParkedIn
	case event == Timeout && m.row(in).command != nothing && s.Attempts < attempts:
		return in, true // once more
	}
	for _, e := range m.row(in).edges {
		if e.event == event && (s.State != Parked || event != Timeout && e.state != Parked) {
			return e.state, true
		}
	}
	return in, false
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
	Reason   string // why it is cancelled: the first no
	Problem  string // why it is parked: what the operator must mend
}

// Rules are what may differ from one orchestrator to another.
type Rules struct {
	Attempts int // how often a command is sent before its silence counts as a no
	machine  machine
}

// Fire takes a message, moves the saga and returns the command that is to be sent.
// A message that means nothing in this state changes nothing: it came twice, or
// after its time.
func (s *Saga) Fire(m Message, rules Rules) (commands []Message, moved bool) {
	if m.Kind == Timeout && m.Version != s.Version {
		return nil, false // the deadline of a state that has been left
	}
	to, known := rules.machine.next(*s, m.Kind, rules.Attempts)
	if !known {
		return nil, false
	}
	from, reason := s.State, m.Reason
	if m.Kind == Timeout && to != from {
		reason = fmt.Sprintf("no answer while %s", from)
	}
	if from == Initially {
		s.Order = m.Order
	}
	if s.Reason == "" {
		s.Reason = reason
	}
	s.Version++
	s.Attempts++
	if to != from {
		s.State, s.Attempts, s.ParkedIn, s.Problem = to, 1, "", ""
	}
	if to == Parked {
		s.ParkedIn, s.Problem = from, reason
	}
	if command := rules.machine.row(to).command; command != nothing {
		commands = []Message{{
			ID:   fmt.Sprintf("%s/%d/%s", s.Order.ID, s.Version, command),
			Kind: command, Order: s.Order, Reason: s.Reason, ByHand: m.ByHand,
		}}
	}
	return commands, true
}
