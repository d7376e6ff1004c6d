package streams

import (
	"fmt"
	"hash/fnv"
	"time"

	"course.example/shop"
)

// vary makes a crowd of the one sample customer, who buys the same things all the time: of each order
// its own customer and products, always the same ones for the same order. Orders that somebody has
// written by hand stay as they are.
//
// Some customers order on a phone without a network. Their order is as old as it says, and comes late.
func (s Settings) vary(order shop.Order) shop.Order {
	if order.UserEmail != shop.SampleEmail {
		return order
	}
	n := number(order)
	order.UserEmail = fmt.Sprintf("customer-%d@example.com", n%uint64(s.Customers))
	items := make([]shop.Item, len(order.Items))
	for i, item := range order.Items {
		item.SKU = fmt.Sprintf("%s-%d", item.SKU, n/7%uint64(s.Products))
		items[i] = item
	}
	order.Items = items
	if s.Offline > 0 && n/11%10 == 0 {
		late := time.Duration(n / 13 % uint64(s.Offline))
		order.PlacedAt = order.PlacedAt.Add(-late.Truncate(time.Millisecond))
	}
	return order
}

// pays says how long after an order its customer pays, and whether he does. Most pay soon, some when it
// is too late, some never. Where PayWithin is 0 nobody does.
func (s Settings) pays(order shop.Order) (after time.Duration, ever bool) {
	n := number(order)
	switch n / 17 % 8 {
	case 0:
		return 0, false
	case 1:
		after = s.PayWithin * 5 / 4
	default:
		after = s.PayWithin * time.Duration(n/19%8) / 16
	}
	return after, s.PayWithin > 0
}

// number is what chance would say, always the same of the same order.
func number(order shop.Order) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(order.ID)) // it has no errors
	return h.Sum64()
}
