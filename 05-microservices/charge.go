package microservices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"course.example/shop"
)

// Charge is what the order service asks of the payment service.
type Charge struct {
	OrderID     string `json:"order_id"`
	UserEmail   string `json:"user_email"`
	AmountCents int64  `json:"amount_cents"`
}

// Receipt is the payment service's answer.
type Receipt struct {
	ID          string    `json:"receipt_id"`
	OrderID     string    `json:"order_id"`
	AmountCents int64     `json:"amount_cents"`
	ChargedAt   time.Time `json:"charged_at"`
	// Repeated says that the money had been taken before, under the same key.
	Repeated bool `json:"repeated,omitempty"`
}

// Charger takes money, once for every key. The payment service is one, and so is
// every way to it: a call over the network looks like a call, which is what makes
// it so easy to forget that it is none. An empty key is a charge that nothing will
// recognise when it comes again.
type Charger interface {
	Charge(ctx context.Context, key string, c Charge) (Receipt, error)
}

// What a charge can come to besides a receipt. See status.go for what becomes of
// each on the wire.
var (
	// ErrDeclined: the answer is no, and will be no however often one asks.
	ErrDeclined = errors.New("the card was declined")
	// ErrInvalid: the request makes no sense; whoever sent it has a bug.
	ErrInvalid = errors.New("not a valid charge")
	// ErrKeyReused: the key stands for another charge.
	ErrKeyReused = errors.New("the idempotency key belongs to another charge")
	// ErrUnavailable: payment cannot do it now. Later it may.
	ErrUnavailable = errors.New("payment is not available")
)

// ChargeFor is the charge for an order, and the key under which it is made. The
// key comes from the order: whoever tries again, in this process or after its
// restart, has the same one.
func ChargeFor(o shop.Order) (key string, c Charge) {
	return "charge-" + o.ID, Charge{
		OrderID: o.ID, UserEmail: o.UserEmail, AmountCents: o.TotalCents(),
	}
}

// validate returns [ErrInvalid] and why.
func (c Charge) validate() error {
	switch {
	case c.OrderID == "":
		return fmt.Errorf("%w: order_id is missing", ErrInvalid)
	case c.UserEmail == "":
		return fmt.Errorf("%w: user_email is missing", ErrInvalid)
	case c.AmountCents < 0:
		return fmt.Errorf("%w: amount_cents is %d, and must not be negative",
			ErrInvalid, c.AmountCents)
	}
	return nil
}

// Payments is a way to the payment service that must be closed.
type Payments interface {
	Charger
	Close() error
}

// Dial returns the way to the payment service that the settings name. Nothing is
// connected yet: neither service needs the other in order to start.
func Dial(s Settings) (Payments, error) {
	if s.Transport == "grpc" {
		return OverGRPC(s.PaymentURL)
	}
	return OverHTTP(s.PaymentURL), nil
}
