// Package reservation has the grain of a product whose pieces are reserved first, and paid then.
package reservation

import (
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/scheduler"
)

// Stock is the stock of one product.
type Stock struct {
	engine.Hooks
	hold     time.Duration          // so long a reservation waits for its payment
	reserved map[string]reservation // by order
	made     int                    // reservations so far
	sold     int64
}

type reservation struct {
	number int
	pieces int32
}

// over is what the timer sends: the time of a reservation is over.
type over struct {
	order  string
	number int
}

// New makes an activation.
func New(hold time.Duration) actors.Stock {
	return &Stock{hold: hold, reserved: map[string]reservation{}}
}

// Take reserves pieces for an order. When the order comes again, it has paid.
func (s *Stock) Take(
	req *actors.TakeRequest, grain cluster.GrainContext,
) (*actors.TakeReply, error) {
	order := req.GetOrder()
	if r, found := s.reserved[order]; found {
		delete(s.reserved, order)
		s.sold += int64(r.pieces)
		return &actors.TakeReply{Sold: s.sold, Again: true}, nil
	}
	s.made++
	s.reserved[order] = reservation{s.made, req.GetQuantity()}
	timer := scheduler.NewTimerScheduler(grain.ActorSystem().Root)
	timer.SendOnce(s.hold, grain.Self(), &over{order, s.made})
	return &actors.TakeReply{Sold: s.sold}, nil
}

// ReceiveDefault gets what the timer sends. It is a turn like any other.
func (s *Stock) ReceiveDefault(grain cluster.GrainContext) {
	if m, ok := grain.Message().(*over); ok && s.reserved[m.order].number == m.number {
		delete(s.reserved, m.order)
	}
}

// Count says how many pieces are sold, and how many orders have a reservation.
func (s *Stock) Count(
	*actors.CountRequest, cluster.GrainContext,
) (*actors.CountReply, error) {
	return &actors.CountReply{Sold: s.sold, Orders: int64(len(s.reserved))}, nil
}
