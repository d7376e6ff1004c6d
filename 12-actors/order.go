package actors

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/google/uuid"
)

// placed is what an order remembers.
type placed struct {
	Effect string           `json:"effect"` // the identity of its having been done
	At     time.Time        `json:"at"`
	Pieces map[string]int32 `json:"pieces"` // that it has taken, by SKU
}

// orderGrain is one order, from its first call until it is forgotten. Its calls
// are served one at a time: a customer who asks twice is not served twice at the
// same moment.
type orderGrain struct {
	engine.Hooks
	silo  *Silo
	state *engine.State[placed]
}

func newOrder(silo *Silo) Order { return &orderGrain{silo: silo} }

// Init runs before the first call, which reads the state by itself.
func (g *orderGrain) Init(ctx cluster.GrainContext) {
	g.state = engine.NewState[placed](g.silo.memory(), name(ctx))
}

// Place does the order's work, takes its pieces from the stocks and remembers
// that it is done, in this order. Killed anywhere between, it is asked again and
// begins from the top: each stock knows the order then, and gives nothing twice.
func (g *orderGrain) Place(
	req *PlaceRequest, grain cluster.GrainContext,
) (*PlaceReply, error) {
	ctx, cancel := g.silo.turn()
	defer cancel()
	done, err := g.state.Read(ctx)
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	if done.Effect != "" {
		// The silo that did it may have died before it could say so. To say it
		// again is no second serving: it is the same effect.
		processed(ctx, grain.Identity(), done.Effect)
		return &PlaceReply{Effect: done.Effect, Again: true}, nil
	}
	shop.Received(ctx, grain.Identity(), 1)
	order := orderOf(grain.Identity(), req)
	err = g.silo.work(ctx, order)
	if errors.Is(err, shop.ErrBounced) {
		return nil, engine.Refuse(err)
	}
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	wanted := pieces(req.GetLines())
	for _, sku := range slices.Sorted(maps.Keys(wanted)) {
		if err := g.take(ctx, grain.Cluster(), order.ID, sku, wanted[sku]); err != nil {
			return nil, g.silo.failed(grain, err)
		}
	}
	done = placed{Effect: uuid.NewString(), At: time.Now().UTC(), Pieces: wanted}
	if err := g.state.Write(ctx, done, ""); err != nil {
		return nil, g.silo.failed(grain, err)
	}
	processed(ctx, order.ID, done.Effect)
	return &PlaceReply{Effect: done.Effect}, nil
}

// Look answers from the store, as the stock's Count does.
func (g *orderGrain) Look(_ *LookRequest, grain cluster.GrainContext) (*LookReply, error) {
	ctx, cancel := g.silo.turn()
	defer cancel()
	done, err := g.state.Reload(ctx)
	if err != nil {
		return nil, g.silo.failed(grain, err)
	}
	return &LookReply{Done: done.Effect != ""}, nil
}

// pieces is what an order wants of each product. It may name one in two lines, and
// a stock serves an order once: the second line would be taken for a repetition.
func pieces(lines []*Line) map[string]int32 {
	wanted := map[string]int32{}
	for _, line := range lines {
		wanted[line.GetSku()] += line.GetQuantity()
	}
	return wanted
}

// take calls another grain, wherever it is. The calls go one way only, from
// orders to stocks: if a stock called back, both would wait forever.
func (g *orderGrain) take(
	ctx context.Context, grains *cluster.Cluster, order, sku string, quantity int32,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.silo.settings.Try, engine.ErrNoAnswer)
	defer cancel()
	stock := GetStockGrainClient(grains, sku)
	ask := &TakeRequest{Order: order, Quantity: quantity}
	_, err := stock.Take(ask, engine.Until(ctx))
	return err
}

// name is how logs and stores call a grain: Order/0199….
func name(ctx cluster.GrainContext) string { return engine.Key(ctx.Kind(), ctx.Identity()) }

func orderOf(id string, req *PlaceRequest) shop.Order {
	order := shop.Order{
		ID: id, UserEmail: req.GetUserEmail(), PlacedAt: time.UnixMilli(req.GetPlacedAtMs()),
	}
	for _, l := range req.GetLines() {
		order.Items = append(order.Items, shop.Item{
			SKU: l.GetSku(), Quantity: int(l.GetQuantity()), PriceCents: l.GetPriceCents(),
		})
	}
	return order
}

func requestOf(order shop.Order) *PlaceRequest {
	req := &PlaceRequest{
		UserEmail: order.UserEmail, PlacedAtMs: order.PlacedAt.UnixMilli(),
	}
	for _, item := range order.Items {
		req.Lines = append(req.Lines, &Line{
			Sku: item.SKU, Quantity: int32(item.Quantity), PriceCents: item.PriceCents,
		})
	}
	return req
}
