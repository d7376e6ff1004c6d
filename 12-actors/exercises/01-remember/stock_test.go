//go:build exercise

package remember

import (
	"encoding/json"
	"testing"
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// aLongTime is more than any of these calls needs, also on a busy machine.
const aLongTime = 30 * time.Second

// shop is a silo with the stock of mugs in it, and a store that outlives the activations.
type shop struct {
	t     *testing.T
	silo  *cluster.Cluster
	store engine.Store
}

func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, store: engine.Volatile()} // in memory, and shared by all activations
	s.silo = engine.StartSilo(actors.NewStockKind(func() actors.Stock { return New(s.store) }, time.Minute))
	t.Cleanup(func() { engine.Stop(s.silo) })
	return s
}

func (s *shop) take(order string, pieces int32) (*actors.TakeReply, error) {
	return actors.GetStockGrainClient(s.silo, "mug").Take(
		&actors.TakeRequest{Order: order, Quantity: pieces}, engine.Within(aLongTime))
}

// sells is take that must be answered.
func (s *shop) sells(order string, pieces int32) {
	s.t.Helper()
	if _, err := s.take(order, pieces); err != nil {
		s.t.Fatalf("take %d for %s: %s", pieces, order, engine.Reason(err))
	}
}

// leave ends the activation, as an idle time, another silo or a kill would.
func (s *shop) leave() {
	s.t.Helper()
	if err := engine.Deactivate(s.t.Context(), s.silo, "Stock", "mug"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) want(who string, pieces, orders int64) {
	s.t.Helper()
	got, err := actors.GetStockGrainClient(s.silo, "mug").Count(
		&actors.CountRequest{}, engine.Within(aLongTime))
	if err != nil {
		s.t.Fatalf("%s cannot count: %s", who, engine.Reason(err))
	}
	if got.GetSold() != pieces {
		s.t.Fatalf("%s says %d pieces, want %d", who, got.GetSold(), pieces)
	}
	if got.GetOrders() != orders {
		s.t.Fatalf("%s says %d orders, want %d", who, got.GetOrders(), orders)
	}
}

func TestTheNextActivationKnows(t *testing.T) {
	s := open(t)
	s.sells("first", 1)
	s.sells("second", 2)
	s.leave()
	s.want("the next activation", 3, 2)
	s.sells("third", 4)
	s.leave()
	s.want("the one after it", 7, 3)
}

func TestAnOrderTakesOnce(t *testing.T) {
	s := open(t)
	s.sells("first", 1)
	s.sells("first", 1)
	s.want("a stock that the same order has asked twice", 1, 1)
	s.leave()
	s.sells("first", 1)
	s.want("the next activation, asked by the same order", 1, 1)
	if reply, err := s.take("first", 1); err != nil || !reply.GetAgain() {
		t.Errorf("an order that asks again is told %v, %v; want again", reply, err)
	}
}

// Somebody else writes what this activation does not know, as the activation on another silo would.
func TestAnotherActivationHasWritten(t *testing.T) {
	s := open(t)
	s.sells("first", 1)
	const grain = "Stock/mug"
	record, err := s.store.Read(t.Context(), grain)
	if err != nil {
		t.Fatal(err)
	}
	if record.Version == 0 {
		t.Fatalf("the store knows nothing of %s: keep its state under this name", grain)
	}
	data, err := json.Marshal(shelf{Sold: 11, Orders: 2})
	if err != nil {
		t.Fatal(err)
	}
	change := engine.Change{Expect: record.Version, Data: data, Effect: "other"}
	if err := s.store.Write(t.Context(), grain, change); err != nil {
		t.Fatal(err)
	}
	if _, err := s.take("second", 5); err != nil { // it has noticed; the customer asks again
		s.sells("second", 5)
	}
	s.leave()
	s.want("the next activation, after a sale that was answered with yes", 16, 3)
}
