package actors

import (
	"context"
	"errors"
	"testing"

	"course.example/shop"
)

// books are what the stocks say: pieces, each sold in an order of its own, and with
// how many writes besides.
type books map[string]struct{ pieces, lost int64 }

func (b books) count(_ context.Context, sku string) (*CountReply, error) {
	n := b[sku]
	return &CountReply{Sold: n.pieces, Orders: n.pieces, Version: n.pieces + n.lost}, nil
}

func TestAudit(t *testing.T) {
	t.Parallel()
	mug := shop.Order{Items: []shop.Item{{SKU: "mug", Quantity: 2}, {SKU: "hat", Quantity: 1}}}
	cases := []struct {
		name  string
		after books // what the stocks hold after two orders, of which one was accepted
		want  verdict
	}{
		{"both done", books{"mug": {14, 0}, "hat": {2, 0}}, verdict{Promised: 3}},
		{"one done, of the other nobody knows", books{"mug": {12, 0}, "hat": {1, 0}},
			verdict{Promised: 3}},
		{"the accepted one is half done", books{"mug": {12, 0}, "hat": {0, 0}},
			verdict{Promised: 3, Missing: 1}},
		{"nothing is there", books{}, verdict{Promised: 3, Missing: 13}},
		{"taken twice", books{"mug": {18, 0}, "hat": {2, 0}}, verdict{Promised: 3, Surplus: 4}},
		{"written over, and made good since", books{"mug": {14, 3}, "hat": {2, 1}},
			verdict{Promised: 3, Overwrites: 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stocks := books{"mug": {10, 0}} // sold before we came
			a := newAudit(func(ctx context.Context, sku string) (*CountReply, error) {
				return stocks.count(ctx, sku)
			})
			for range 2 {
				if err := a.begin(t.Context(), mug); err != nil {
					t.Fatal(err)
				}
			}
			a.accepted(mug)
			stocks = c.after
			a.say(t.Context())
			if got := a.last(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// A stock that does not answer stops an order, which would have no book to stand
// in, and does not stop the audit.
func TestAuditWithoutAnswer(t *testing.T) {
	t.Parallel()
	order := shop.Order{Items: shop.SampleItems()}
	a := newAudit(func(context.Context, string) (*CountReply, error) {
		return nil, errors.New("no silo")
	})
	if err := a.begin(t.Context(), order); !contains(err, "no silo") {
		t.Errorf("got %v", err)
	}
	a.say(t.Context())
	if got := a.last(); got != (verdict{}) {
		t.Errorf("an audit that has seen nothing says %+v", got)
	}
}
