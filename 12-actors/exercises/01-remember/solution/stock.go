// Package remember has the grain of a product's stock.
package remember

import (
	"context"
	"errors"
	"time"

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
	state *engine.State[shelf]
}

// New makes an activation. The store outlives it.
func New(store engine.Store) actors.Stock { return &Stock{store: store} }

// Init runs before the first call.
func (s *Stock) Init(grain cluster.GrainContext) {
	s.state = engine.NewState[shelf](s.store, engine.Key(grain.Kind(), grain.Identity()))
}

// turn bounds what one call may wait for the store.
func turn() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Second)
}

// Take sells pieces to an order, once.
func (s *Stock) Take(
	req *actors.TakeRequest, _ cluster.GrainContext,
) (*actors.TakeReply, error) {
	ctx, cancel := turn()
	defer cancel()
	shelf, err := s.state.Read(ctx)
	if err != nil {
		return nil, err
	}
	shelf.Sold += int64(req.GetQuantity())
	shelf.Orders++
	err = s.state.Write(ctx, shelf, req.GetOrder())
	if errors.Is(err, engine.ErrDone) {
		return &actors.TakeReply{Sold: shelf.Sold - int64(req.GetQuantity()), Again: true}, nil
	}
	if err != nil {
		return nil, engine.Abort(err) // not sold: whoever asks again is served
	}
	return &actors.TakeReply{Sold: shelf.Sold}, nil
}

// Count says what was sold.
func (s *Stock) Count(
	*actors.CountRequest, cluster.GrainContext,
) (*actors.CountReply, error) {
	ctx, cancel := turn()
	defer cancel()
	shelf, err := s.state.Read(ctx)
	if err != nil {
		return nil, err
	}
	return &actors.CountReply{Sold: shelf.Sold, Orders: shelf.Orders}, nil
}
