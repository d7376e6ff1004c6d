package saga

import (
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// A service that is called directly does a command once for each key, and says no to what the
// database can never store.
func TestDirect(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.DatabaseURL = servicestest.Postgres(t)
	d, err := OpenDirect(t.Context(), s, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	order := newOrder(t, clients[0])
	unstorable := order
	unstorable.Items = []shop.Item{{SKU: "MUG\x00", Quantity: 1, PriceCents: 1}}
	for _, c := range []struct {
		name string
		m    Message
		want Kind
	}{
		{"charge", Message{Kind: ChargePayment, Order: order, Key: "a"}, PaymentCharged},
		{"again", Message{Kind: ChargePayment, Order: order, Key: "a"}, PaymentCharged},
		{"another key", Message{Kind: ChargePayment, Order: order, Key: "b"}, PaymentCharged},
		{"without a key", Message{Kind: ReserveStock, Order: order}, StockReserved},
		{"with that key", Message{Kind: ReleaseStock, Order: order, Key: order.ID}, StockReleased},
		{"a no", Message{Kind: ShipOrder, Order: newOrder(t, "d@"+NowhereDomain)}, ShippingRefused},
		{"unstorable", Message{Kind: ReserveStock, Order: unstorable, Key: "c"}, StockRefused},
	} {
		got, err := d.Ask(t.Context(), c.m)
		if err != nil || got.Kind != c.want || (got.Reason != "") != (c.want == StockRefused ||
			c.want == ShippingRefused) {
			t.Errorf("%s: %+v, %v: want %s", c.name, got, err, c.want)
		}
	}
	var charges, pieces int
	if err := d.services[ChargePayment].pool.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM payment.journal), (SELECT sum(amount)::bigint FROM inventory.journal)`).
		Scan(&charges, &pieces); err != nil {
		t.Fatal(err)
	}
	if charges != 2 || pieces != 0 {
		t.Errorf("%d charges and %d pieces gone: want one for each key, and none", charges, pieces)
	}
}

func TestDirectWantsAKnownCrashPoint(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.CrashAt = "nowhere"
	if _, err := OpenDirect(t.Context(), s, 1); err == nil {
		t.Error("nowhere was taken")
	}
}
