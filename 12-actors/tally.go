package actors

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"
)

// Tally is the audit of a shop whose grains write nothing into a store. It notes which orders were
// accepted, and asks those orders in the end whether they are done. Its methods are safe for
// concurrent use.
type Tally struct {
	node *Node

	mu       sync.Mutex
	accepted map[string]int64 // pieces by order
}

// NewTally asks the orders of the node's cluster.
func NewTally(n *Node) *Tally {
	return &Tally{node: n, accepted: map[string]int64{}}
}

// Keep is place that notes what it has accepted.
func (t *Tally) Keep(
	place func(context.Context, shop.Order) error,
) func(context.Context, shop.Order) error {
	return func(ctx context.Context, order shop.Order) error {
		if err := place(ctx, order); err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, item := range order.Items {
			t.accepted[order.ID] += int64(item.Quantity)
		}
		return nil
	}
}

// Conclude asks all orders that were accepted, and logs how many pieces were promised in them, and
// how many of those are missing: of orders that do not know that they are done. It comes after the
// drain, and takes no longer than four seconds.
func (t *Tally) Conclude() error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	v, err := t.count(ctx)
	if err == nil {
		v.log(ctx)
	}
	return err
}

// count asks many orders at a time: a flood leaves thousands.
func (t *Tally) count(ctx context.Context) (v verdict, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var missing atomic.Int64
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(64)
	for order, pieces := range t.accepted {
		v.Promised += pieces
		asking.Go(func() error {
			grain := GetOrderGrainClient(t.node.cluster, order)
			look, err := engine.Call(ctx, t.node.retries, engine.Key("Order", order), time.Second,
				func(how ...cluster.GrainCallOption) (*LookReply, error) {
					return grain.Look(&LookRequest{}, how...)
				})
			if err != nil {
				return fmt.Errorf("ask the order %s whether it is done: %w", order, err)
			}
			if !look.GetDone() {
				missing.Add(pieces)
			}
			return nil
		})
	}
	err = asking.Wait()
	v.Missing = missing.Load()
	return v, err
}
