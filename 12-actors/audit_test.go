package actors

import (
	"context"
	"slices"
	"testing"

	"course.example/12-actors/engine"
	"course.example/shop"
)

// sells writes what a stock says of itself: so many pieces and orders, in so many
// writes, and the effects of these orders.
func sells(t *testing.T, books Books, sku string, s shelf, writes int, effects ...string) {
	t.Helper()
	state := engine.NewState[shelf](books, "Stock/"+sku)
	for i := range max(writes, len(effects)) {
		if _, err := state.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		effect := ""
		if i < len(effects) {
			effect = effects[i]
		}
		if err := state.Write(t.Context(), s, effect); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	order := shop.Order{ID: "a", Items: []shop.Item{{SKU: "mug", Quantity: 2}, {SKU: "hat", Quantity: 1}}}
	cases := []struct {
		name  string
		after func(*testing.T, Books) // what the stocks hold when each of two webs has accepted one
		want  verdict
	}{
		{"both done", func(t *testing.T, b Books) {
			sells(t, b, "mug", shelf{Sold: 4, Orders: 2}, 2, "a", "b")
			sells(t, b, "hat", shelf{Sold: 2, Orders: 2}, 2, "a", "b")
		}, verdict{Promised: 6}},
		{"another is done, of which nobody knows yet", func(t *testing.T, b Books) {
			sells(t, b, "mug", shelf{Sold: 6, Orders: 3}, 3, "a", "b", "c")
			sells(t, b, "hat", shelf{Sold: 3, Orders: 3}, 3, "a", "b", "c")
		}, verdict{Promised: 6}},
		{"an accepted one is half done", func(t *testing.T, b Books) {
			sells(t, b, "mug", shelf{Sold: 4, Orders: 2}, 2, "a", "b")
			sells(t, b, "hat", shelf{Sold: 1, Orders: 1}, 1, "a")
		}, verdict{Promised: 6, Missing: 1}},
		{"nothing is there", func(*testing.T, Books) {}, verdict{Promised: 6, Missing: 6}},
		{"taken twice", func(t *testing.T, b Books) {
			sells(t, b, "mug", shelf{Sold: 6, Orders: 3}, 3, "a", "b")
			sells(t, b, "hat", shelf{Sold: 2, Orders: 2}, 2, "a", "b")
		}, verdict{Promised: 6, Surplus: 1}},
		{"written over, and made good since", func(t *testing.T, b Books) {
			sells(t, b, "mug", shelf{Sold: 4, Orders: 2}, 5, "a", "b")
			sells(t, b, "hat", shelf{Sold: 2, Orders: 2}, 3, "a", "b")
		}, verdict{Promised: 6, Overwrites: 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := redisClient(t)
			books := NewRedisStore(client)
			one, two := newAudit("one", client, books), newAudit("two", client, books)
			one.accept(order)
			two.accept(order)
			if err := two.publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.after(t, books)
			one.say(t.Context())
			two.say(t.Context())
			if got := one.last(); got != c.want || two.last() != c.want {
				t.Errorf("got %+v and %+v, want %+v", got, two.last(), c.want)
			}
		})
	}
}

// A store that does not answer is no reason to say that something is missing, and what
// could not be told is told later.
func TestAuditWithoutAnswer(t *testing.T) {
	t.Parallel()
	client := redisClient(t)
	a := newAudit("one", client, NewRedisStore(client))
	a.accept(shop.Order{ID: "a", Items: shop.SampleItems()})
	away, cancel := context.WithCancel(t.Context())
	cancel()
	a.say(away)
	if got := a.last(); got != (verdict{}) {
		t.Errorf("an audit that has seen nothing says %+v", got)
	}
	a.accept(shop.Order{ID: "b"})
	if err := a.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	told, err := client.SMembers(t.Context(), keyAccepted).Result()
	slices.Sort(told)
	if err != nil || !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told %q, %v", told, err)
	}
}

// The book knows of the orders what the log may not.
func TestBook(t *testing.T) {
	t.Parallel()
	client := redisClient(t)
	b := &backing{redis: client, books: NewRedisStore(client)}
	a := newAudit("one", client, b.books)
	place := func(id string, times int, taken ...string) {
		state := engine.NewState[placed](b.books, "Order/"+id)
		done := placed{Effect: id, Pieces: map[string]int32{"mug": 1, "hat": 1}}
		for range times {
			if _, err := state.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := state.Write(t.Context(), done, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, sku := range taken {
			stock := engine.NewState[shelf](b.books, "Stock/"+sku)
			if _, err := stock.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := stock.Write(t.Context(), shelf{}, id); err != nil {
				t.Fatal(err)
			}
		}
		a.accept(shop.Order{ID: id})
	}
	place("whole", 1, "mug", "hat")
	place("twice", 3, "mug", "hat")
	place("half", 1, "mug")
	place("lost", 0)
	if err := a.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	var book Book
	if err := book.read(t.Context(), b); err != nil || book != (Book{Processed: 3, Lost: 2, Duplicated: 2}) {
		t.Errorf("got %+v, %v; want 3 processed, 2 lost, 2 duplicated", book, err)
	}
}

// Both stores can be looked into.
func TestBooks(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		books, ok := store.(Books)
		if !ok {
			continue // what is volatile is nobody's book
		}
		for _, grain := range []string{"Order/1", "Order/%_*", "Stock/1"} {
			if err := store.Write(t.Context(), grain, change(0, `1`, "an effect")); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		err := books.Names(t.Context(), "Order", func(grain string) error {
			names = append(names, grain)
			return nil
		})
		slices.Sort(names)
		if err != nil || !slices.Equal(names, []string{"Order/%_*", "Order/1"}) {
			t.Errorf("%s: %q, %v", name, names, err)
		}
		n, err := books.Effects(t.Context(), "Stock/1")
		there, errThere := books.HasEffect(t.Context(), "Stock/1", "an effect")
		other, errOther := books.HasEffect(t.Context(), "Stock/1", "another")
		if n != 1 || !there || other || err != nil || errThere != nil || errOther != nil {
			t.Errorf("%s: %d effects, %v and %v; %v, %v, %v", name, n, there, other, err, errThere,
				errOther)
		}
	}
}
