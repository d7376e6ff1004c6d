// Package remember has the grain of a product's stock.
package remember

import (
	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// shelf is what a stock knows.
type shelf struct {
	Sold   int64 `json:"sold"`   // pieces
	Orders int64 `json:"orders"` // in which they were sold
}

// Stock is the stock of one product.
type Stock struct {
	engine.Hooks
	store engine.Store
	shelf shelf
}

// New makes an activation. The store outlives it.
func New(store engine.Store) actors.Stock { return &Stock{store: store} }

// Take sells pieces to an order.
func (s *Stock) Take(
	req *actors.TakeRequest, _ cluster.GrainContext,
) (*actors.TakeReply, error) {
	s.shelf.Sold += int64(req.GetQuantity())
	s.shelf.Orders++
	return &actors.TakeReply{Sold: s.shelf.Sold}, nil
}

// Count says what was sold.
func (s *Stock) Count(
	*actors.CountRequest, cluster.GrainContext,
) (*actors.CountReply, error) {
	return &actors.CountReply{Sold: s.shelf.Sold, Orders: s.shelf.Orders}, nil
}
