package deployment

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"course.example/shop"
)

// One customer comes again and again while the discount is switched on. He must see the change once.
// Where each process looks for itself, he sees it come and go; where it looks at its start, never.
func TestFlagIsSeenToChangeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desired.yaml")
	header := func(q *http.Request) string { return q.Header.Get(flagsHeader) }
	for name, c := range map[string]struct {
		first, second func(*http.Request) string // how two replicas know
		flips         func(int) bool
	}{
		"right": {header, header, func(n int) bool { return n == 1 }},
		"flag-per-process": {
			ownFlags(path, 0), ownFlags(path, 1), // one has looked again, and one has not yet
			func(n int) bool { return n > 5 },
		},
		"flag-at-start": {ownFlags(path, 0), ownFlags(path, 0), func(n int) bool { return n == 0 }},
	} {
		want := two("v2")
		want.Flags = map[string]bool{Discount: false}
		if err := writeDesired(path, want); err != nil {
			t.Fatal(err)
		}
		d := NewDoor(time.Minute)
		for _, read := range []func(*http.Request) string{c.first, c.second} {
			d.Add(behind(t, "v2", withFlags(read, releases["v2"], says("ok")).ServeHTTP))
		}
		flips, last := 0, ""
		for n := range 20 {
			if n == 10 {
				want.Flags = map[string]bool{Discount: true}
				if err := writeDesired(path, want); err != nil {
					t.Fatal(err)
				}
				d.Switch(want.Flags)
			}
			if now := flagsOfAnswer(d, ""); now != last {
				flips, last = flips+1, now
			}
		}
		if !c.flips(flips) || d.Flips() != flips {
			t.Errorf("%s: the customer saw %d changes, and the door %d", name, flips, d.Flips())
		}
	}
}

// flagsOfAnswer asks the door once, with a header that the customer has made up.
func flagsOfAnswer(d *Door, madeUp string) string {
	w, q := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/orders", nil)
	if madeUp != "" {
		q.Header.Set(flagsHeader, madeUp)
	}
	d.ServeHTTP(w, q)
	return w.Header().Get(flagsHeader)
}

// A customer cannot switch a flag, and a version without the code for it does not heed it.
func TestWhoHeedsAFlag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, madeUp string
		on, given       bool
	}{
		{"v2", "", true, true}, {"v2", "", false, false},
		{"v2", Discount, false, false}, {"v1", "", true, false},
	} {
		d := NewDoor(time.Minute)
		handler := WithFlags(Settings{}, releases[c.version], says("ok"))
		d.Add(behind(t, c.version, handler.ServeHTTP))
		d.Switch(map[string]bool{Discount: c.on})
		if given := flagsOfAnswer(d, c.madeUp) == Discount; given != c.given {
			t.Errorf("%+v: the discount was given: %v", c, given)
		}
	}
}

// The price of an order is that of the flags with which it came in.
func TestDiscount(t *testing.T) {
	t.Parallel()
	order := shop.Order{Items: []shop.Item{{SKU: "GO-GOPHER", Quantity: 1, PriceCents: 1000}}}
	on := context.WithValue(t.Context(), flagsKey{}, Discount)
	for _, c := range []struct {
		version string
		ctx     context.Context
		cents   int64
	}{
		{"v1", t.Context(), 1000}, {"v1", on, 1000}, {"v2", t.Context(), 1000}, {"v2", on, 900},
	} {
		if cents := releases[c.version].row(c.ctx, order)[2]; cents != c.cents {
			t.Errorf("%s: %v cents, want %d", c.version, cents, c.cents)
		}
	}
}
