//go:build exercise

package callback

import (
	"testing"
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

// aLongTime is more than any of these calls needs, also on a busy machine.
const aLongTime = 30 * time.Second

func open(t *testing.T) *cluster.Cluster {
	t.Helper()
	silo := engine.StartSilo(
		actors.NewOrderKind(func() actors.Order { return &Order{} }, time.Minute),
		actors.NewStockKind(func() actors.Stock { return &Stock{} }, time.Minute))
	t.Cleanup(func() { engine.Stop(silo) })
	return silo
}

func place(t *testing.T, silo *cluster.Cluster, order string, pieces int32) {
	t.Helper()
	_, err := actors.GetOrderGrainClient(silo, order).Place(
		&actors.PlaceRequest{Lines: []*actors.Line{{Sku: "mug", Quantity: pieces}}},
		engine.Within(aLongTime))
	if err != nil {
		t.Fatalf("place %s: %s", order, engine.Reason(err))
	}
}

func sold(t *testing.T, silo *cluster.Cluster, after string, want int64) {
	t.Helper()
	got, err := actors.GetStockGrainClient(silo, "mug").Count(
		&actors.CountRequest{}, engine.Within(aLongTime))
	if err != nil {
		t.Fatalf("count: %s", engine.Reason(err))
	}
	if got.GetSold() != want {
		t.Errorf("after %s, %d pieces are sold, want %d", after, got.GetSold(), want)
	}
}

func TestOrdersAreAnswered(t *testing.T) {
	silo := open(t)
	place(t, silo, "ada", 2)
	place(t, silo, "bob", 1)
	sold(t, silo, "two orders", 3)
}

func TestAnOrderTakesOnce(t *testing.T) {
	silo := open(t)
	place(t, silo, "ada", 2)
	place(t, silo, "ada", 2)
	sold(t, silo, "an order that was placed twice", 2)
	if err := engine.Deactivate(t.Context(), silo, "Order", "ada"); err != nil {
		t.Fatal(err)
	}
	place(t, silo, "ada", 2)
	sold(t, silo, "an order that was placed again after its deactivation", 2)
}

func TestAStockGivesOnce(t *testing.T) {
	silo := open(t)
	for range 2 {
		_, err := actors.GetStockGrainClient(silo, "mug").Take(
			&actors.TakeRequest{Order: "ada", Quantity: 2}, engine.Within(aLongTime))
		if err != nil {
			t.Fatalf("take: %s", engine.Reason(err))
		}
	}
	sold(t, silo, "an order that has asked the stock twice", 2)
}
