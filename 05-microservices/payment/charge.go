package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"course.example/shop"
	"google.golang.org/grpc/codes"
)

// Charge is what is asked of us. The names in JSON are those of payment.proto.
type Charge struct {
	OrderID     string `json:"order_id"`
	UserEmail   string `json:"user_email"`
	AmountCents *int64 `json:"amount_cents"` // nil: it was not said
}

// Receipt is our answer.
type Receipt struct {
	ID          string `json:"receipt_id"`
	OrderID     string `json:"order_id"`
	AmountCents int64  `json:"amount_cents"`
	ChargedAtMs int64  `json:"charged_at_unix_ms"`
	// Repeated says that the key was known: this is its first answer again.
	Repeated bool `json:"repeated,omitempty"`
}

// Bounds of a charge.
const (
	maxText   = 255      // bytes of a key, an order's identity, an address
	maxCharge = 16 << 10 // bytes of a request
	// maxCents is more than the shop's largest order.
	maxCents = shop.MaxItems * shop.MaxQuantity * shop.MaxPriceCents
)

// What a charge can come to besides a receipt.
var (
	ErrInvalid     = errors.New("not a valid charge")
	ErrTooLarge    = fmt.Errorf("not a valid charge: larger than %d bytes", maxCharge)
	ErrDeclined    = errors.New("the card was declined")
	ErrInProgress  = errors.New("a charge under this idempotency key is under way")
	ErrKeyReused   = errors.New("the idempotency key belongs to another charge")
	ErrUnavailable = errors.New("payment cannot do it now: nothing was charged")
)

// outcomes say what an error is called in both protocols, as payment.proto has it. An
// error that is not among them leaves open what was done.
var outcomes = []struct {
	err  error
	http int
	grpc codes.Code
}{
	{ErrInvalid, http.StatusBadRequest, codes.InvalidArgument},
	{ErrTooLarge, http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
	{ErrDeclined, http.StatusPaymentRequired, codes.FailedPrecondition},
	{ErrInProgress, http.StatusConflict, codes.Aborted},
	{ErrKeyReused, http.StatusUnprocessableEntity, codes.AlreadyExists},
	{ErrUnavailable, http.StatusServiceUnavailable, codes.Unavailable},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, codes.DeadlineExceeded},
	{context.Canceled, 499, codes.Canceled}, // nobody reads it
}

func statusOf(err error) (int, codes.Code) {
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			return o.http, o.grpc
		}
	}
	return http.StatusInternalServerError, codes.Internal
}

// validate returns [ErrInvalid] and why.
func validate(key string, c Charge) error {
	for _, field := range []struct{ name, value string }{
		{"Idempotency-Key", key}, {"order_id", c.OrderID}, {"user_email", c.UserEmail},
	} {
		switch n := len(field.value); {
		case n == 0:
			return fmt.Errorf("%w: %s is missing", ErrInvalid, field.name)
		case n > maxText:
			return fmt.Errorf("%w: %s is %d bytes long, and must not be longer than %d",
				ErrInvalid, field.name, n, maxText)
		}
	}
	for _, b := range []byte(key) {
		if b < ' ' || b > '~' {
			return fmt.Errorf("%w: Idempotency-Key has a character that is not printable ASCII",
				ErrInvalid)
		}
	}
	switch {
	case c.AmountCents == nil:
		return fmt.Errorf("%w: amount_cents is missing", ErrInvalid)
	case *c.AmountCents < 0 || *c.AmountCents > maxCents:
		return fmt.Errorf("%w: amount_cents is %d, and must be 0 to %d",
			ErrInvalid, *c.AmountCents, int64(maxCents))
	}
	return nil
}
