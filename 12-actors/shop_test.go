package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"course.example/12-actors/dashboard"
	"course.example/12-actors/engine"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"
)

// startShop runs the web app with a silo in it: a whole cluster of one. Several
// members are processes of their own, in lab_test.go: the engine is not free of
// data races when they share one, and its generated code has one factory for each
// kind of grain. So the tests of this file run one after the other.
func startShop(t *testing.T, change func(*Settings)) (*Web, http.Handler) {
	t.Helper()
	return startShopOn(t, change, func(s engine.Store) engine.Store { return s })
}

// startShopOn is [startShop] with something between the grains and their store.
func startShopOn(
	t *testing.T, change func(*Settings), wrap func(engine.Store) engine.Store,
) (*Web, http.Handler) {
	t.Helper()
	s := DefaultSettings()
	s.RedisURL, s.Name, s.Embed = servicestest.Redis(t), "web", true
	s.Work, s.Lease = time.Millisecond, time.Minute
	if change != nil {
		change(&s)
	}
	b, err := openBacking(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b.store = wrap(b.store)
	w, err := startWeb(t.Context(), s, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel() // it leaves in order
		if err := w.node.Run(ctx); err != nil {
			t.Error(err)
		}
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return w, w.Handler()
}

func ask(t *testing.T, h http.Handler, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	raw, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s %s: %q: %v", method, path, raw, err)
	}
	return rec.Code, answer
}

func TestShop(t *testing.T) {
	w, h := startShop(t, nil)
	const mug = `{"sku":"mug","quantity":3,"price_cents":1}`
	cases := []struct {
		name, body string
		status     int
	}{
		{"a sample", "", http.StatusOK},
		{"an order", `{"user_email":"a@example.com","items":[` + mug + `]}`, http.StatusOK},
		{"one product in two lines", `{"user_email":"a@example.com","items":[` + mug + `,` + mug + `]}`,
			http.StatusOK},
		{"a product with a strange name", `{"user_email":"a@example.com","items":[` +
			`{"sku":"a/b $c: ünï","quantity":1,"price_cents":1}]}`, http.StatusOK},
		{"a bounce", `{"user_email":"a@bounce.test","items":[` + mug + `]}`,
			http.StatusUnprocessableEntity},
		{"a bad one", `{"user_email":"a"}`, http.StatusBadRequest},
	}
	for _, c := range cases {
		if status, answer := ask(t, h, http.MethodPost, "/orders", c.body); status != c.status {
			t.Errorf("%s: %d %v, want %d", c.name, status, answer, c.status)
		}
	}
	if status, answer := ask(t, h, http.MethodPost, "/orders?count=20", ""); status != http.StatusOK {
		t.Errorf("twenty: %d %v", status, answer)
	}
	w.audit.say(t.Context())
	want := verdict{Promised: 21*3 + 3 + 6 + 1} // the sample has three pieces
	if got := w.audit.last(); got != want {
		t.Errorf("the audit found %+v, want %+v", got, want)
	}
	if status, _ := ask(t, h, http.MethodGet, "/healthz", ""); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
}

// To ask again is to be told again, by this activation and by the next.
func TestOrderIsPlacedOnce(t *testing.T) {
	w, _ := startShop(t, nil)
	order, err := shop.NewOrder(shop.SampleEmail, shop.Item{SKU: "mug", Quantity: 2})
	if err != nil {
		t.Fatal(err)
	}
	grain := GetOrderGrainClient(w.node.cluster, order.ID)
	place := func(how ...cluster.GrainCallOption) (*PlaceReply, error) {
		return grain.Place(requestOf(order), how...)
	}
	var first *PlaceReply
	for round := range 3 {
		got, err := engine.Call(t.Context(), w.node.retries, "Order/"+order.ID, aLongTime, place)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			first = got
		}
		if got.GetEffect() != first.GetEffect() || got.GetAgain() != (round > 0) {
			t.Errorf("round %d: %v, the first was %v", round, got, first)
		}
		if round == 1 { // the activation ends; its state does not
			err := engine.Deactivate(t.Context(), w.node.cluster, "Order", order.ID)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	wantStock(t, w, "mug", &CountReply{Sold: 2, Orders: 1, Version: 1, Served: 1})
	// And a stock that is asked again for the same order gives nothing.
	stock := GetStockGrainClient(w.node.cluster, "mug")
	reply, err := engine.Call(t.Context(), w.node.retries, "Stock/mug", aLongTime,
		func(how ...cluster.GrainCallOption) (*TakeReply, error) {
			return stock.Take(&TakeRequest{Order: order.ID, Quantity: 2}, how...)
		})
	if err != nil || !reply.GetAgain() {
		t.Errorf("taken again: %v, %v", reply, err)
	}
}

// aLongTime is more than any call here needs, also on a busy machine.
const aLongTime = 30 * time.Second

func wantStock(t *testing.T, w *Web, sku string, want *CountReply) {
	t.Helper()
	got, err := count(t.Context(), w, sku)
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("the stock of %s: %v, %v; want %v", sku, got, err, want)
	}
}

// count asks a stock what was sold.
func count(ctx context.Context, w *Web, sku string) (*CountReply, error) {
	stock := GetStockGrainClient(w.node.cluster, sku)
	return engine.Call(ctx, w.node.retries, "Stock/"+sku, aLongTime,
		func(how ...cluster.GrainCallOption) (*CountReply, error) {
			return stock.Count(&CountRequest{}, how...)
		})
}

// An activation that finds its state written by another ends, and the call
// succeeds on the next.
func TestStaleGrainEnds(t *testing.T) {
	w, h := startShop(t, nil)
	buyMug(t, h)
	other := engine.NewState[shelf](NewRedisStore(w.node.table.client), "Stock/mug")
	write(t, other, shelf{Sold: 40, Orders: 40}, nil)
	buyMug(t, h)
	// The other's forty and one more, and that one is the first of this activation.
	wantStock(t, w, "mug", &CountReply{Sold: 41, Orders: 41, Version: 3, Served: 1})
}

// An activation that has panicked ends as well: nobody knows what it has left of its
// memory.
func TestGrainThatPanicsEnds(t *testing.T) {
	var fault atomic.Bool
	w, h := startShopOn(t, nil, func(s engine.Store) engine.Store {
		return watched{s, func(context.Context) {
			if fault.CompareAndSwap(true, false) {
				panic("no nerves")
			}
		}}
	})
	buyMug(t, h)
	fault.Store(true)
	if err := take(t.Context(), w, "one", 10*time.Second); !contains(err, "no nerves") {
		t.Errorf("the caller was told %v", err)
	}
	buyMug(t, h)
	wantStock(t, w, "mug", &CountReply{Sold: 2, Orders: 2, Version: 2, Served: 1})
}

// watched is a store that has something done before each write of the stock of mugs.
type watched struct {
	engine.Store
	before func(context.Context)
}

func (w watched) Write(ctx context.Context, grain string, c engine.Change) error {
	if grain == "Stock/mug" {
		w.before(ctx)
	}
	// However long that took, it is no matter of time whether it is written.
	return w.Store.Write(context.WithoutCancel(ctx), grain, c)
}

const aMug = `{"user_email":"a@example.com","items":[{"sku":"mug","quantity":1,"price_cents":1}]}`

func buyMug(t *testing.T, h http.Handler) {
	t.Helper()
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status != http.StatusOK {
		t.Fatal(answer)
	}
}

func TestCluster(t *testing.T) {
	// The census is in the table after the next renewal.
	_, h := startShop(t, func(s *Settings) { s.Lease = time.Second })
	if status, answer := ask(t, h, http.MethodPost, "/orders?count=3", ""); status != http.StatusOK {
		t.Fatal(answer)
	}
	// A call is counted after it was answered, and told at a renewal after that.
	eventually(t, func() error {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/cluster", nil))
		var v dashboard.View
		if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		return tells(v)
	})
}

// tells says what is missing in the view of three orders with two products each.
func tells(v dashboard.View) error {
	if len(v.Silos) != 1 || len(v.Grains) != 2 {
		return fmt.Errorf("silos %+v, grains %+v", v.Silos, v.Grains)
	}
	// It is "late" for a moment when the machine does something else.
	if s := v.Silos[0]; s.Name != "web" || s.State != "up" || s.Activations != 5 || s.PID == 0 {
		return fmt.Errorf("the silo: %+v", s)
	}
	// A call that took long was made again: there may be more of them than orders.
	order, stock := v.Grains[0], v.Grains[1]
	if order.Kind != "Order" || order.Calls < 3 || order.BySilo["web"] != 3 ||
		order.P99Micros == 0 {
		return fmt.Errorf("the orders: %+v", order)
	}
	if stock.Kind != "Stock" || stock.Activations != 2 || stock.Calls < 6 {
		return fmt.Errorf("the stocks: %+v", stock)
	}
	if v.Front.Calls != 3 || v.Front.Errors != 0 || v.Front.P50Micros == 0 {
		return fmt.Errorf("the front door: %+v", v.Front)
	}
	for _, want := range []string{"silo joined", "activated"} {
		if !slices.ContainsFunc(v.Log, func(e dashboard.Event) bool {
			return e.Event == want && e.Silo == "web"
		}) {
			return fmt.Errorf("the log has no %q: %+v", want, v.Log)
		}
	}
	return nil
}

// A grain that nobody calls goes, and comes back with what it chose to persist, and
// without what it chose to keep in memory.
func TestIdleDeactivation(t *testing.T) {
	w, h := startShop(t, func(s *Settings) { s.Idle = 300 * time.Millisecond })
	if status, answer := ask(t, h, http.MethodPost, "/orders", ""); status != http.StatusOK {
		t.Fatal(answer)
	}
	silo := w.node.counter
	until(t, func() bool { return silo.Active() == 0 })
	wantStock(t, w, "GO-GOPHER", &CountReply{Sold: 1, Orders: 1, Version: 1, Served: 0})
}

// A silo whose lease is lost gives the calls in progress some time to end.
func TestLostLeaseWithCallsInHand(t *testing.T) {
	s := DefaultSettings()
	s.Lease = time.Minute
	for _, inProgress := range []bool{true, false} {
		table, c := NewTable(redisClient(t), s.Lease), dashboard.NewCounter("silo-1")
		n, err := startNode(t.Context(), table, c, s)
		if err != nil {
			t.Fatal(err)
		}
		if inProgress {
			c.Began(engine.Name{})
		}
		n.ended <- ErrLeaseLost
		start := time.Now()
		if err := n.Run(t.Context()); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); inProgress && took < lastTimeout {
			t.Errorf("it ended after %s, with a call in progress", took)
		}
	}
}

// Without a silo nobody is told yes, and nobody waits forever.
func TestNoSilo(t *testing.T) {
	_, h := startShop(t, func(s *Settings) {
		s.Embed, s.Patience = false, 200*time.Millisecond
	})
	// Its health first: a shop that has just refused an order says so, and not why there is no silo.
	if status, answer := ask(t, h, http.MethodGet, "/healthz", ""); status !=
		http.StatusServiceUnavailable || answer["reason"] != "there is no silo in the cluster" {
		t.Errorf("%d %v", status, answer)
	}
	status, answer := ask(t, h, http.MethodPost, "/orders", "")
	if status != http.StatusServiceUnavailable ||
		!strings.Contains(answer["error"].(string), "not done within 200ms") {
		t.Errorf("%d %v", status, answer)
	}
}
