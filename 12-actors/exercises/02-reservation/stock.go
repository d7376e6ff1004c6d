// Package reservation has the grain of a product whose pieces are reserved first, and paid then.
package reservation

import (
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// Stock is the stock of one product.
type Stock struct {
	engine.Hooks
	hold     time.Duration    // so long a reservation waits for its payment
	reserved map[string]int32 // pieces by order
	sold     int64
}

// New makes an activation.
func New(hold time.Duration) actors.Stock {
	return &Stock{hold: hold, reserved: map[string]int32{}}
}

// Take reserves pieces for an order. When the order comes again, it has paid.
func (s *Stock) Take(
	req *actors.TakeRequest, grain cluster.GrainContext,
) (*actors.TakeReply, error) {
	order := req.GetOrder()
	if pieces, found := s.reserved[order]; found {
		delete(s.reserved, order)
		s.sold += int64(pieces)
		return &actors.TakeReply{Sold: s.sold, Again: true}, nil
	}
	s.reserved[order] = req.GetQuantity()
	return &actors.TakeReply{Sold: s.sold}, nil
}

// Count says how many pieces are sold, and how many orders have a reservation.
func (s *Stock) Count(
	*actors.CountRequest, cluster.GrainContext,
) (*actors.CountReply, error) {
	return &actors.CountReply{Sold: s.sold, Orders: int64(len(s.reserved))}, nil
}
