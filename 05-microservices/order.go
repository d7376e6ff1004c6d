package microservices

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/timeout"
)

// Orders is the order service: it takes an order by having it charged, now, while
// the customer waits. That is temporal coupling: both services must be up at the
// same time, and what is the matter with payment is the matter with every order.
// All methods are safe for concurrent use.
type Orders struct {
	payment  Charger
	deadline time.Duration
	around   failsafe.Executor[Receipt]
	keyed    bool // false only in a wrong variant
	detached bool // true only in a wrong variant
}

// NewOrders returns the order service in front of a payment service.
func NewOrders(s Settings, payment Charger) *Orders {
	policies := DefaultPolicies(s)
	o := &Orders{payment: payment, keyed: true}
	if change := variants[s.Variant]; change != nil {
		change(s, o, &policies)
	}
	o.deadline, o.around = policies.deadline, policies.compose()
	return o
}

// Place returns nil when the order has been charged.
func (o *Orders) Place(ctx context.Context, order shop.Order) error {
	key, charge := ChargeFor(order)
	if !o.keyed {
		key = ""
	}
	if o.detached {
		ctx = context.WithoutCancel(ctx)
	}
	if o.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.deadline)
		defer cancel()
	}
	var unanswered atomic.Bool // one of the tries
	_, err := o.around.WithContext(ctx).GetWithExecution(
		func(try failsafe.Execution[Receipt]) (Receipt, error) {
			// The try's context, not ours: it ends with the try's timeout.
			receipt, err := o.payment.Charge(try.Context(), key, charge)
			if try.Context().Err() != nil {
				unanswered.Store(true)
			}
			return receipt, err
		})
	if err != nil {
		return explain(fmt.Errorf("order %s: %w", order.ID, err), unanswered.Load())
	}
	return nil
}

// explain gives an error the status that the customer will see. The last try alone
// does not decide: one before it may have got no answer, and have charged.
func explain(err error, unanswered bool) error {
	const soon = time.Second
	switch {
	case errors.Is(err, ErrDeclined):
		return shop.Rejected(err, http.StatusPaymentRequired)
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrKeyReused):
		return err // an answer, too: the order service is at fault
	case unanswered, errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, timeout.ErrExceeded):
		// Payment may have charged or not. To say so is all that is honest.
		err = fmt.Errorf("outcome unknown, payment did not answer in time: %w", err)
		return shop.Unavailable(shop.Rejected(err, http.StatusGatewayTimeout), soon)
	case errors.Is(err, circuitbreaker.ErrOpen), errors.Is(err, bulkhead.ErrFull),
		errors.Is(err, budget.ErrExceeded), errors.Is(err, ErrUnavailable):
		return shop.Unavailable(fmt.Errorf("payment does not work now: %w", err), soon)
	}
	return err
}
