package shop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func valid(t *testing.T) Order {
	t.Helper()
	o, err := NewOrder(SampleEmail, SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(*Order)
		field  string // of the error; "" is a valid order
	}{
		{"the sample", func(*Order) {}, ""},
		{"no e-mail", func(o *Order) { o.UserEmail = "" }, "user_email"},
		{"no address", func(o *Order) { o.UserEmail = "ada" }, "user_email"},
		{"a name beside it", func(o *Order) { o.UserEmail = "Ada <a@example.com>" }, "user_email"},
		{"two addresses", func(o *Order) { o.UserEmail = "a@b.c,d@e.f" }, "user_email"},
		{"too long", func(o *Order) {
			o.UserEmail = strings.Repeat("a", maxEmail) + "@example.com"
		}, "user_email"},
		{"no items", func(o *Order) { o.Items = nil }, "items"},
		{"too many items", func(o *Order) { o.Items = make([]Item, MaxItems+1) }, "items"},
		{"no sku", func(o *Order) { o.Items[1].SKU = " " }, "items[1].sku"},
		{"long sku", func(o *Order) { o.Items[0].SKU = strings.Repeat("x", 65) }, "items[0].sku"},
		{"a NUL in a sku", func(o *Order) { o.Items[0].SKU = "A\x00B" }, "items[0].sku"},
		{"a sku of two lines", func(o *Order) { o.Items[0].SKU = "A\nB" }, "items[0].sku"},
		{"a sku in another script", func(o *Order) { o.Items[0].SKU = "Größe-Ω" }, ""},
		{"quantity 0", func(o *Order) { o.Items[0].Quantity = 0 }, "items[0].quantity"},
		{"quantity -1", func(o *Order) { o.Items[0].Quantity = -1 }, "items[0].quantity"},
		{"a lot", func(o *Order) { o.Items[0].Quantity = MaxQuantity + 1 }, "items[0].quantity"},
		{"for free", func(o *Order) { o.Items[0].PriceCents = 0 }, ""},
		{"price -1", func(o *Order) { o.Items[0].PriceCents = -1 }, "items[0].price_cents"},
		{"dear", func(o *Order) { o.Items[0].PriceCents = MaxPriceCents + 1 },
			"items[0].price_cents"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := valid(t)
			c.change(&o)
			err := o.Validate()
			wrong := new(FieldError)
			switch {
			case c.field == "" && err != nil:
				t.Errorf("got %v", err)
			case c.field != "" && (!errors.As(err, &wrong) || wrong.Field != c.field):
				t.Errorf("want an error of field %s, got %v", c.field, err)
			}
		})
	}
}

func TestTotal(t *testing.T) {
	t.Parallel()
	if got := valid(t).TotalCents(); got != 1999+2*1250 {
		t.Errorf("got %d", got)
	}
	most := Order{Items: make([]Item, MaxItems)}
	for i := range most.Items {
		most.Items[i] = Item{"x", MaxQuantity, MaxPriceCents}
	}
	if got := most.TotalCents(); got != MaxItems*MaxQuantity*MaxPriceCents {
		t.Errorf("the largest order overflows: %d", got)
	}
}

func TestIdentitiesSortByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		last := valid(t)
		for range 100 {
			time.Sleep(time.Millisecond)
			next := valid(t)
			if next.ID <= last.ID {
				t.Fatalf("%s came after %s", next.ID, last.ID)
			}
			last = next
		}
	})
}

func TestWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := Work(t.Context(), valid(t), time.Minute); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestWorkThatCannotSucceed(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.UserEmail = "nobody@" + BounceDomain
	if err := Work(t.Context(), o, 0); !errors.Is(err, ErrBounced) {
		t.Errorf("got %v", err)
	}
}

func TestWorkIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := Work(ctx, valid(t), time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		// No time left is no e-mail sent, even if sending took no time.
		if err := Work(ctx, valid(t), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// One identity has several spellings, and a table or a map must see one.
func TestParseID(t *testing.T) {
	t.Parallel()
	const id = "0199d3a0-7c1e-7abc-8000-000000000001"
	for _, text := range []string{id, strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id,
		strings.ReplaceAll(id, "-", "")} {
		if got, err := ParseID(text); err != nil || got.String() != id {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "seven", "x" + id + "y", id + "\x00", " " + id,
		strings.Repeat("7", 100_000)} {
		var wrong *FieldError
		if _, err := ParseID(text); !errors.As(err, &wrong) || len(err.Error()) > 120 {
			t.Errorf("%.40q: error %.200v, want a short one about order_id", text, err)
		}
	}
}
