package saga

import (
	"strings"

	"course.example/shop"
)

// Customers with whom things go wrong, so that a lecturer can order a failure.
const (
	DeclinedDomain = "declined.test" // payment says no
	SoldOutDomain  = "soldout.test"  // inventory says no
	NowhereDomain  = "nowhere.test"  // shipping says no
	ClosedDomain   = "closed.test"   // shipping says no, and the refund fails
)

func of(order shop.Order, domains ...string) bool {
	for _, domain := range domains {
		if strings.HasSuffix(order.UserEmail, "@"+domain) {
			return true
		}
	}
	return false
}

// Payment charges cards and gives the money back.
func Payment() Business {
	return Business{
		Name:    "payment",
		Command: ChargePayment, Done: PaymentCharged, Refused: PaymentRefused,
		Compensation: RefundPayment, Compensated: PaymentRefunded, Failed: RefundFailed,
		Effect: func(order shop.Order) map[string]int64 {
			return map[string]int64{"cents": order.TotalCents()}
		},
		Refuses: func(order shop.Order) string {
			if of(order, DeclinedDomain) {
				return "the card was declined"
			}
			return ""
		},
		CannotUndo: func(m Message) string {
			if of(m.Order, ClosedDomain) && !m.ByHand {
				return "the customer's account is closed"
			}
			return ""
		},
	}
}
