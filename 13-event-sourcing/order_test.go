package eventsourcing

import (
	"errors"
	"testing"

	"course.example/shop"
	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	place := PlaceOrder{shop.Order{UserEmail: shop.SampleEmail, Items: shop.SampleItems()}}
	var nothing, cancelled Order
	placed := evolved(t, nothing, place)
	cancelled = evolved(t, placed, CancelOrder{"no"})
	full := evolved(t, placed, AddItems{make([]shop.Item, shop.MaxItems-len(placed.Items))})
	for name, c := range map[string]struct {
		order   Order
		command Command
		want    error
	}{
		"place":                {nothing, place, nil},
		"place again":          {placed, place, ErrPlaced},
		"place what was there": {cancelled, place, ErrPlaced},
		"add":                  {placed, AddItems{oneMug}, nil},
		"add to nothing":       {nothing, AddItems{oneMug}, ErrNoOrder},
		"add to a cancelled":   {cancelled, AddItems{oneMug}, ErrCancelled},
		"add too much":         {full, AddItems{oneMug}, ErrTooLarge},
		"cancel":               {placed, CancelOrder{}, nil},
		"cancel nothing":       {nothing, CancelOrder{}, ErrNoOrder},
		"cancel again":         {cancelled, CancelOrder{}, ErrCancelled},
	} {
		events, err := c.order.Decide(c.command)
		if !errors.Is(err, c.want) || (len(events) > 0) != (c.want == nil) {
			t.Errorf("%s: %v, %v, want %v", name, events, err, c.want)
		}
	}
}

func evolved(t *testing.T, o Order, c Command) Order {
	t.Helper()
	events, err := o.Decide(c)
	for _, e := range events {
		if err == nil {
			o, err = o.Evolve(e)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Whatever customers ask in whatever order, and however old the state is that a decision is
// made about: if the expected version is checked, no order comes out that is not valid.
func TestEveryInterleavingOfCommandsLeavesAValidOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := []Event{} // one stream
		known := make([]int, rapid.IntRange(1, 4).Draw(t, "deciders"))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			who := rapid.IntRange(0, len(known)-1).Draw(t, "who")
			if rapid.Bool().Draw(t, "reads") {
				known[who] = len(log)
				continue
			}
			events, err := foldAll(t, log[:known[who]]).Decide(aCommand(t))
			if err != nil || known[who] != len(log) {
				continue // refused, or another was faster: nothing is appended
			}
			log = append(log, events...)
		}
		valid(t, foldAll(t, log), log)
	})
}

func aCommand(t *rapid.T) Command {
	switch rapid.IntRange(0, 4).Draw(t, "command") {
	case 0:
		return CancelOrder{"no"}
	case 1, 2:
		return AddItems{someItems(t)}
	}
	return PlaceOrder{shop.Order{UserEmail: shop.SampleEmail, Items: someItems(t)}}
}

func someItems(t *rapid.T) []shop.Item {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) shop.Item {
		return shop.Item{
			SKU:        rapid.SampledFrom([]string{"GO-GOPHER", "MUG-CHAN"}).Draw(t, "sku"),
			Quantity:   rapid.IntRange(1, shop.MaxQuantity).Draw(t, "quantity"),
			PriceCents: rapid.Int64Range(0, shop.MaxPriceCents).Draw(t, "price"),
		}
	}), 1, 60).Draw(t, "items")
}

func foldAll(t *rapid.T, log []Event) Order {
	var o Order
	var err error
	for _, e := range log {
		if o, err = o.Evolve(e); err != nil {
			t.Fatalf("the log has what cannot have happened: %v in %v", err, log)
		}
	}
	return o
}

// valid says what must be true of every order, without asking Decide or Evolve.
func valid(t *rapid.T, o Order, log []Event) {
	var ordered, returned int64
	for i, e := range log {
		switch e := e.(type) {
		case OrderPlaced:
			ordered += pieces(e.Items)
			if i != 0 {
				t.Fatalf("placed as event %d", i+1)
			}
		case ItemsAdded:
			ordered += pieces(e.Items)
		case OrderCancelled:
			returned = pieces(e.Items)
			if i != len(log)-1 {
				t.Fatalf("%d events after it was cancelled", len(log)-1-i)
			}
			if returned != ordered {
				t.Fatalf("%d pieces came back of %d", returned, ordered)
			}
		}
	}
	if o.Version != len(log) || pieces(o.Items) != ordered || len(o.Items) > shop.MaxItems {
		t.Fatalf("version %d of %d events, %d pieces of %d, %d items", o.Version, len(log),
			pieces(o.Items), ordered, len(o.Items))
	}
	if (o.Status == Cancelled) != (returned > 0) {
		t.Fatalf("status %q with %d pieces given back", o.Status, returned)
	}
}
