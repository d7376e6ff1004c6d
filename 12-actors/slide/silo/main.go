// Command silo is the slide's: a grain, and the silo that it lives in.
package main

import (
	"context"
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	kind := actors.NewOrderKind(func() actors.Order { return &order{} }, time.Minute)
	silo, err := actors.Join(ctx, kind)
	if err != nil {
		return err
	}
	shop.Ready(ctx)
	return silo.Run(ctx)
}

// order is the grain. It has no lock: its calls are served one at a time.
type order struct {
	engine.Hooks
	done bool
}

func (o *order) Place(
	req *actors.PlaceRequest, grain cluster.GrainContext,
) (*actors.PlaceReply, error) {
	if o.done {
		return &actors.PlaceReply{Again: true}, nil
	}
	ctx, id := context.Background(), grain.Identity()
	shop.Received(ctx, id, 1)
	work := shop.Order{ID: id, UserEmail: req.GetUserEmail()}
	if err := shop.Work(ctx, work, 20*time.Millisecond); err != nil {
		return nil, err
	}
	o.done = true
	shop.Processed(ctx, id)
	return &actors.PlaceReply{}, nil
}

func (o *order) Look(
	*actors.LookRequest, cluster.GrainContext,
) (*actors.LookReply, error) {
	return &actors.LookReply{Done: o.done}, nil
}
