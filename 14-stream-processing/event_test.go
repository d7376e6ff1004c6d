package streams

import (
	"errors"
	"strings"
	"testing"

	"course.example/shop"
)

func TestRecordsThatAreNoOrders(t *testing.T) {
	t.Parallel()
	good, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	body, err := encode(good)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for name, tt := range map[string]struct{ body, want string }{
		"good":            {text, ""},
		"nothing":         {"", "no order"},
		"half of one":     {text[:len(text)/2], "no order"},
		"bytes":           {"\x00\xff\x1b[31m", "no order"},
		"a list":          {"[]", "no order"},
		"an empty object": {"{}", "order_id"},
		"a long identity": {strings.Replace(text, good.ID, strings.Repeat("x", 65), 1), "order_id"},
		"upper case":      {strings.Replace(text, good.ID, strings.ToUpper(good.ID), 1), ""},
		"a URN":           {strings.Replace(text, good.ID, "urn:uuid:"+good.ID, 1), ""},
		"no customer":     {strings.Replace(text, shop.SampleEmail, "", 1), "user_email: is missing"},
		"minus one":       {strings.Replace(text, `"quantity":1`, `"quantity":-1`, 1), "quantity"},
		"no time":         {strings.Replace(text, "placed_at", "at", 1), "before there was a shop"},
		"a huge number":   {strings.Replace(text, `"quantity":1`, `"quantity":1e99`, 1), "no order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order, err := decode([]byte(tt.body))
			switch {
			case tt.want == "" && (err != nil || order.ID != good.ID):
				t.Errorf("%+v, %v", order, err)
			case tt.want != "" && (!errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRecordsThatAreNoPayments(t *testing.T) {
	t.Parallel()
	good, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	body, err := encodePayment(Payment{strings.ToUpper(good.ID), 100, good.PlacedAt})
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for name, tt := range map[string]struct{ body, want string }{
		"good":          {text, ""}, // an identity has one spelling
		"another order": {strings.Replace(text, strings.ToUpper(good.ID), "7", 1), "order_id"},
		"less than 0":   {strings.Replace(text, "100", "-1", 1), "-1 cents"},
		"no time":       {strings.Replace(text, "paid_at", "at", 1), "before there was a shop"},
		"a list":        {`{"payment":[]}`, "no order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := decode([]byte(tt.body))
			switch {
			case tt.want == "" && (err != nil || event.Payment == nil || event.Payment.OrderID != good.ID):
				t.Errorf("%+v, %v", event, err)
			case tt.want != "" && (!errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
