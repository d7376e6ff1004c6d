package actors

import (
	"context"
	"fmt"
	"sync"
	"time"

	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
)

// Tally is the audit of a shop whose grains write nothing into a store. It notes which orders were
// accepted, and asks those orders in the end whether they are done. Its methods are safe for
// concurrent use.
type Tally struct {
	grains *cluster.Cluster

	mu       sync.Mutex
	accepted map[string]int64 // pieces by order
}

// NewTally asks the orders of the node's cluster.
func NewTally(n *Node) *Tally {
	return &Tally{grains: n.cluster, accepted: map[string]int64{}}
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

// tallyTimeout bounds the questions of [Tally.Conclude].
const tallyTimeout = 10 * time.Second

// Conclude asks all orders that were accepted, and logs how many pieces were promised in them, and
// how many of those are missing: of orders that do not know that they are done.
func (t *Tally) Conclude() error {
	ctx, cancel := context.WithTimeout(context.Background(), tallyTimeout)
	defer cancel()
	v, err := t.count(ctx)
	if err != nil {
		return err
	}
	v.log(ctx)
	return nil
}

func (t *Tally) count(ctx context.Context) (v verdict, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for order, pieces := range t.accepted {
		grain := GetOrderGrainClient(t.grains, order)
		look, err := grain.Look(&LookRequest{}, engine.Until(ctx))
		if err != nil {
			return v, fmt.Errorf("ask the order %s whether it is done: %w", order, err)
		}
		v.Promised += pieces
		if !look.GetDone() {
			v.Missing += pieces
		}
	}
	return v, nil
}
