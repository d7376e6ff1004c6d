package actors

import (
	"context"
	"errors"
	"testing"
	"time"

	"course.example/12-actors/engine"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
)

// forgetful is an order that remembers in a field, as the slide's does.
type forgetful struct {
	engine.Hooks
	done bool
}

func (f *forgetful) Place(req *PlaceRequest, _ cluster.GrainContext) (*PlaceReply, error) {
	f.done = req.GetUserEmail() != "" // somebody to serve
	if !f.done {
		return nil, engine.Refuse(errors.New("nobody to serve"))
	}
	return &PlaceReply{}, nil
}

func (f *forgetful) Look(*LookRequest, cluster.GrainContext) (*LookReply, error) {
	return &LookReply{Done: f.done}, nil
}

// What the slide's programs are given: a cluster to join, and an audit that asks the grains.
func TestJoinAndTally(t *testing.T) {
	t.Setenv("REDIS_URL", servicestest.Redis(t))
	t.Setenv("LEASE", "1m")
	t.Setenv("VARIANT", "slide") // the lab sets it, and it is none of this package's
	silo, err := Join(t.Context(), NewOrderKind(func() Order { return &forgetful{} }, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	tally := NewTally(silo)
	place := tally.Keep(func(ctx context.Context, order shop.Order) error {
		_, err := GetOrderGrainClient(silo.Cluster(), order.ID).Place(
			requestOf(order), engine.Within(aLongTime))
		return err
	})
	for name, email := range map[string]string{"kept": "a@example.com", "forgotten": "b@example.com",
		"refused": ""} {
		order := shop.Order{ID: name, UserEmail: email, Items: []shop.Item{
			{SKU: "mug", Quantity: 2}, {SKU: "cap", Quantity: 1}}}
		if err := place(t.Context(), order); (err != nil) != (email == "") {
			t.Errorf("place the order %s: %v", name, err)
		}
	}
	want := func(what string, v verdict) {
		t.Helper()
		if got, err := tally.count(t.Context()); err != nil || got != v {
			t.Errorf("%s: the tally has %+v, %v, want %+v", what, got, err, v)
		}
	}
	want("both are known", verdict{Promised: 6})
	if err := engine.Deactivate(t.Context(), silo.Cluster(), "Order", "forgotten"); err != nil {
		t.Fatal(err)
	}
	want("one was deactivated", verdict{Promised: 6, Missing: 3})
	if err := silo.Leave(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := tally.count(ctx); err == nil {
		t.Error("the silo has left, and the tally has asked its orders all the same")
	}
}

func TestJoinNowhere(t *testing.T) {
	t.Setenv("REDIS_URL", "localhost")
	_, err := Join(t.Context())
	if usage := new(shop.UsageError); !errors.As(err, &usage) {
		t.Errorf("got %v", err)
	}
}

// An order says from the store whether it is done, and is not done by the question.
func TestLook(t *testing.T) {
	w, _ := startShop(t, nil)
	order, err := shop.NewOrder(shop.SampleEmail, shop.Item{SKU: "mug", Quantity: 2})
	if err != nil {
		t.Fatal(err)
	}
	grain := GetOrderGrainClient(w.node.cluster, order.ID)
	for _, want := range []bool{false, false, true} {
		if want {
			if err := w.Place(t.Context(), order); err != nil {
				t.Fatal(err)
			}
		}
		look, err := grain.Look(&LookRequest{}, engine.Within(aLongTime))
		if err != nil || look.GetDone() != want {
			t.Errorf("the order says %v, %v, want done %t", look, err, want)
		}
	}
}
