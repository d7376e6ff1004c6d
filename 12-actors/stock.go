package actors

import (
	"context"
	"errors"

	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// shelf is what the stock of a product remembers.
type shelf struct {
	Sold   int64 `json:"sold"`   // pieces
	Orders int64 `json:"orders"` // in which they were sold
}

// stockGrain is the stock of one product. No lock, no transaction: its calls are
// served one at a time, by the one activation there is. And should there be two
// for a moment, because a silo was taken for dead and is not, the store lets one
// of them write.
type stockGrain struct {
	engine.Hooks
	silo   *Silo
	state  *engine.State[shelf]
	served *engine.State[int64]
}

func newStock(silo *Silo) Stock { return &stockGrain{silo: silo} }

// Init runs before the first call. A grain chooses for each of its states where it
// is kept: what was sold must outlive the silo, how much this activation has had to
// do may go with it.
func (g *stockGrain) Init(ctx cluster.GrainContext) {
	g.state = engine.NewState[shelf](g.silo.memory(), name(ctx))
	g.served = engine.NewState[int64](engine.Volatile(), name(ctx))
}

// Take takes pieces for an order. The order is the write's effect: the store
// takes it once, so that an order that asks again, here or from another
// activation, is told that it has been served.
func (g *stockGrain) Take(
	req *TakeRequest, grain cluster.GrainContext,
) (*TakeReply, error) {
	ctx, cancel := g.silo.turn()
	defer cancel()
	stock, err := g.state.Read(ctx)
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	stock.Sold += int64(req.GetQuantity())
	stock.Orders++
	err = g.state.Write(ctx, stock, req.GetOrder())
	if errors.Is(err, engine.ErrDone) {
		return &TakeReply{Again: true}, nil
	}
	if err == nil {
		err = g.note(ctx)
	}
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	return &TakeReply{Sold: stock.Sold}, nil
}

// note counts an order that this activation has served.
func (g *stockGrain) note(ctx context.Context) error {
	served, err := g.served.Read(ctx)
	if err != nil {
		return err
	}
	return g.served.Write(ctx, served+1, "")
}

// Count answers from the store: it is asked by those who doubt the memory.
func (g *stockGrain) Count(
	_ *CountRequest, grain cluster.GrainContext,
) (*CountReply, error) {
	ctx, cancel := g.silo.turn()
	defer cancel()
	stock, err := g.state.Reload(ctx)
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	served, err := g.served.Read(ctx)
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	return &CountReply{
		Sold: stock.Sold, Orders: stock.Orders, Version: g.state.Version(), Served: served,
	}, nil
}
