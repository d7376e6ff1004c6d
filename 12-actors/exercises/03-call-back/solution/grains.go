// Package callback has an order and a stock, and the order calls the stock.
package callback

import (
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// patience is how long a grain waits for another one.
const patience = 2 * time.Second

// Order is one order.
type Order struct {
	engine.Hooks
	done bool
}

// Place takes the order's pieces from the stocks.
func (o *Order) Place(
	req *actors.PlaceRequest, grain cluster.GrainContext,
) (*actors.PlaceReply, error) {
	for _, line := range req.GetLines() {
		stock := actors.GetStockGrainClient(grain.Cluster(), line.GetSku())
		ask := &actors.TakeRequest{Order: grain.Identity(), Quantity: line.GetQuantity()}
		if _, err := stock.Take(ask, engine.Within(patience)); err != nil {
			return nil, err
		}
	}
	o.done = true
	return &actors.PlaceReply{}, nil
}

// Look says whether the order is done.
func (o *Order) Look(
	*actors.LookRequest, cluster.GrainContext,
) (*actors.LookReply, error) {
	return &actors.LookReply{Done: o.done}, nil
}

// Stock is the stock of one product.
type Stock struct {
	engine.Hooks
	sold   int64
	served map[string]bool // by order
}

// Take gives pieces to an order once. It calls nobody.
func (s *Stock) Take(
	req *actors.TakeRequest, _ cluster.GrainContext,
) (*actors.TakeReply, error) {
	again := s.served[req.GetOrder()]
	if !again {
		if s.served == nil {
			s.served = map[string]bool{}
		}
		s.served[req.GetOrder()] = true
		s.sold += int64(req.GetQuantity())
	}
	return &actors.TakeReply{Sold: s.sold, Again: again}, nil
}

// Count says how many pieces are sold.
func (s *Stock) Count(
	*actors.CountRequest, cluster.GrainContext,
) (*actors.CountReply, error) {
	return &actors.CountReply{Sold: s.sold}, nil
}
