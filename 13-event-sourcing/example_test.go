package eventsourcing

import (
	"errors"
	"fmt"
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/google/uuid"
)

// The state of an order is what its events add up to; a decision is about that state.
func Example_decide() {
	var order Order
	for _, command := range []Command{
		PlaceOrder{shop.Order{UserEmail: shop.SampleEmail, Items: shop.SampleItems()}},
		AddItems{[]shop.Item{{SKU: "MUG-CHAN", Quantity: 1, PriceCents: 1250}}},
		CancelOrder{Reason: "too dear"},
		AddItems{[]shop.Item{{SKU: "MUG-CHAN", Quantity: 1, PriceCents: 1250}}},
	} {
		events, err := order.Decide(command)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			if order, err = order.Evolve(e); err != nil {
				fmt.Println(err)
			}
			fmt.Printf("%s: version %d, %s, %d cents\n", e.Kind(), order.Version, order.Status,
				order.TotalCents())
		}
	}
	// Output:
	// order-placed v4: version 1, placed, 4499 cents
	// items-added v1: version 2, placed, 5749 cents
	// order-cancelled v2: version 3, cancelled, 5749 cents
	// refused: the order was cancelled
}

// An event of the first version, as it was written then, is read as one of the newest.
func Example_upcast() {
	event, err := decode(Kind{"order-placed", 1}, []byte(`{"email": "ada@example.com",
		"items": [{"sku": "MUG-CHAN", "quantity": 2, "price_cents": 1250}],
		"placed_at": "2026-11-28T10:00:00Z"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	placed := event.(OrderPlaced)
	fmt.Println(placed.UserEmail, placed.Currency, placed.Items[0].SKU)
	_, err = decode(Kind{"order-placed", 5}, nil)
	fmt.Println(err)
	// Output:
	// ada@example.com EUR MUG-CHAN
	// unreadable event: "order-placed" version 5 is unknown to this program: deploy the readers of a new version before its writers
}

// Two have decided about the same version of an order. The log takes one: the other decides again.
func Example_expectedVersion() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		p, stream := NewProducer(pool, s), uuid.New()
		for _, decider := range []string{"first", "second"} {
			_, err := p.append(t.Context(), &entry{
				stream: stream, head: head{version: 0}, command: uuid.New(),
				events: []Event{placedNow(shop.SampleItems())},
				done:   make(chan appended, 1),
			})
			fmt.Println(decider, "has a conflict:", errors.Is(err, errConflict))
		}
		fmt.Println("events:", count(t, pool, `SELECT count(*) FROM events`))
	})
	// Output:
	// first has a conflict: false
	// second has a conflict: true
	// events: 1
}

// Read models are folds over the log as well: here each of them is what the log adds up to.
func ExampleProjector() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		place(t, NewProducer(pool, s), 3)
		project(t, pool, s, everyProjection...)
		drained(t, pool)
		a := audited(t, pool)
		fmt.Println("orders:", a.Accepted, "differences:", a.Differences)
	})
	// Output: orders: 3 differences: 0
}

// A snapshot is the fold of a long stream, kept: then only the events behind it are read.
func Example_snapshot() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		s.Snapshot = 3 // events
		p := NewProducer(pool, s)
		order := place(t, p, 1)[0]
		for range 3 {
			now, _, read, err := p.current(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println("items:", len(now.Items), "events read:", len(read))
			execute(t, p, order, AddItems{oneMug})
		}
		_, _, read, err := p.current(t.Context(), order)
		fmt.Println("events read:", len(read), err)
	})
	// Output:
	// items: 2 events read: 1
	// items: 3 events read: 2
	// items: 4 events read: 3
	// events read: 1 <nil>
}

// A customer's key is deleted. The order is what it was, and nobody reads any more whose it is.
func Example_forget() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		p := NewProducer(pool, s)
		order := place(t, p, 1)[0]
		show := func() {
			now, _, _, err := p.current(t.Context(), order)
			if err == nil {
				now, err = p.shown(t.Context(), now)
			}
			fmt.Println(now.UserEmail, now.Status, now.TotalCents(), err)
		}
		show()
		exec(t, pool, `DELETE FROM customer_keys WHERE email = $1`, shop.SampleEmail)
		show()
		fmt.Println("changed events:", audit(t, pool).Edited)
	})
	// Output:
	// ada@example.com placed 4499 <nil>
	// forgotten placed 4499 <nil>
	// changed events: 0
}
