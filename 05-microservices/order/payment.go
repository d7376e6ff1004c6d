package order

import (
	"context"
	"errors"

	"course.example/shop"
)

// Charge is what the order service asks of payment. The names in JSON are those of
// payment.proto.
type Charge struct {
	OrderID     string `json:"order_id"`
	UserEmail   string `json:"user_email"`
	AmountCents int64  `json:"amount_cents"`
}

// Receipt is payment's answer.
type Receipt struct {
	ID          string `json:"receipt_id"`
	OrderID     string `json:"order_id"`
	AmountCents int64  `json:"amount_cents"`
	// Repeated says that the money had been taken before, under the same key.
	Repeated bool `json:"repeated"`
}

// Charger is a way to payment: a call over the network looks like a call, which is
// what makes it so easy to forget that it is none. It is safe for concurrent use.
type Charger interface {
	// Charge has the money taken, once for every key. Its error is one of those
	// below, together with the context's if that has ended.
	Charge(ctx context.Context, key string, c Charge) (Receipt, error)
}

// What a charge can come to besides a receipt. A caller must be able to tell three
// cases apart: no and never, not now, and nobody knows.
var (
	// ErrDeclined: the answer is no, and will be no however often one asks.
	ErrDeclined = errors.New("the card was declined")
	// ErrInvalid: payment does not understand us. It is we who have a bug.
	ErrInvalid = errors.New("payment calls this no valid charge")
	// ErrUnavailable: not now. Nothing was charged.
	ErrUnavailable = errors.New("payment is not available")
	// ErrUnknown: payment was asked, and its answer did not come. It may have
	// charged or not. Only the same key finds out without charging twice.
	ErrUnknown = errors.New("outcome unknown: payment was asked and has not answered")
)

// ChargeFor is the charge for an order, and the key under which it is made. The
// key comes from the order: whoever tries again, in this process or after its
// restart, has the same one.
func ChargeFor(o shop.Order) (key string, c Charge) {
	return "charge-" + o.ID, Charge{
		OrderID: o.ID, UserEmail: o.UserEmail, AmountCents: o.TotalCents(),
	}
}
