package saga

import (
	"context"
	"strings"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Customers with whom things go wrong, so that a lecturer can order a failure.
const (
	DeclinedDomain = "declined.test" // payment says no
	SoldOutDomain  = "soldout.test"  // inventory says no
	NowhereDomain  = "nowhere.test"  // shipping says no
	ClosedDomain   = "closed.test"   // shipping says no, and the refund fails
)

func of(order shop.Order, domain string) bool {
	return strings.HasSuffix(order.UserEmail, "@"+domain)
}

// Payment charges cards and gives the money back.
func Payment() Business {
	return Business{
		Name:   "payment",
		Amount: shop.Order.TotalCents,
		Do: func(_ context.Context, _ pgx.Tx, order shop.Order) (string, error) {
			if of(order, DeclinedDomain) {
				return "the card was declined", nil
			}
			return "", nil
		},
		Undo: func(_ context.Context, _ pgx.Tx, m Message) (string, error) {
			if of(m.Order, ClosedDomain) && !m.ByHand {
				return "the customer's account is closed", nil
			}
			return "", nil
		},
		DoIt: ChargePayment, Yes: PaymentCharged, No: PaymentRefused,
		UndoIt: RefundPayment, Taken: PaymentRefund, CannotDo: RefundFailed,
	}
}
