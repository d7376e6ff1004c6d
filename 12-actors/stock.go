package actors

import (
	"errors"

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
	silo  *Silo
	state *State[shelf]
}

func newStock(silo *Silo) Stock { return &stockGrain{silo: silo} }

// Init runs before the first call.
func (g *stockGrain) Init(ctx cluster.GrainContext) {
	g.state = NewState[shelf](g.silo.memory(), name(ctx))
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
	if errors.Is(err, ErrDone) {
		return &TakeReply{Again: true}, nil
	}
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	return &TakeReply{Sold: stock.Sold}, nil
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
	return &CountReply{Sold: stock.Sold, Orders: stock.Orders}, nil
}

// Terminate runs when the activation goes. What it knows is in the store.
func (*stockGrain) Terminate(cluster.GrainContext) {}

// ReceiveDefault takes what is none of the grain's calls: nothing, here.
func (*stockGrain) ReceiveDefault(cluster.GrainContext) {}
