// Package order is the order service: it takes an order by having it charged by
// payment, now, while the customer waits.
package order

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/failsafe-go/failsafe-go"
)

// Orders has every order charged. That is temporal coupling: both services must be
// up at the same time, and what is the matter with payment is the matter with every
// order. All methods are safe for concurrent use.
type Orders struct {
	payment  Charger
	deadline time.Duration // for all tries together
	around   failsafe.Executor[Receipt]
}

// NewOrders returns the order service in front of a payment service.
func NewOrders(s Settings, payment Charger) *Orders {
	policies := DefaultPolicies(s)
	if change := variants[s.Variant]; change != nil {
		payment = change(&policies, payment)
	}
	return &Orders{payment: payment, deadline: policies.deadline, around: policies.compose()}
}

// Place returns nil when the order has been charged.
func (o *Orders) Place(ctx context.Context, order shop.Order) error {
	key, charge := ChargeFor(order)
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	var unknown atomic.Bool // the outcome of one of the tries
	_, err := o.around.WithContext(ctx).GetWithExecution(
		func(try failsafe.Execution[Receipt]) (Receipt, error) {
			// The try's context, not ours: it ends with the try's timeout.
			receipt, err := o.payment.Charge(try.Context(), key, charge)
			if errors.Is(err, ErrUnknown) {
				unknown.Store(true)
			}
			return receipt, err
		})
	if err != nil {
		return explain(fmt.Errorf("order %s: %w", order.ID, err), unknown.Load())
	}
	return nil
}

// Until returns Place for as long as ctx lasts. Afterwards no order is begun, not even
// the next of many that are placed by one request.
func (o *Orders) Until(ctx context.Context) func(context.Context, shop.Order) error {
	return func(customer context.Context, order shop.Order) error {
		if ctx.Err() != nil {
			return shop.Unavailable(errors.New("the order service is closing"), time.Second)
		}
		return o.Place(customer, order)
	}
}

// explain gives an error the status that the customer will see. The last try alone
// does not decide: one before it may have charged.
func explain(err error, unknown bool) error {
	switch {
	case errors.Is(err, ErrDeclined):
		return shop.Rejected(err, http.StatusPaymentRequired)
	case errors.Is(err, ErrInvalid):
		return err
	case unknown:
		// To say so is all that is honest, and no invitation to order again.
		if !errors.Is(err, ErrUnknown) {
			err = fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		return shop.Rejected(err, http.StatusGatewayTimeout)
	}
	return shop.Unavailable(fmt.Errorf("payment does not work now: %w", err), time.Second)
}
