package order

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/google/uuid"
)

// variants are what the wrong ways change in the right one: its policies, or the way
// to payment.
var variants = map[string]func(*Policies, Charger) Charger{
	"":                  nil,
	"right":             nil,
	"no-timeout":        noTimeout,
	"retry-without-key": retryWithoutKey,
	"retry-storm":       retryStorm,
	"no-breaker":        noBreaker,
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// wrongly is a way to payment that changes what it is asked for.
type wrongly func(context.Context, string, Charge) (Receipt, error)

// Charge implements [Charger].
func (f wrongly) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	return f(ctx, key, c)
}

// noTimeout waits for payment as long as it takes, in a call that knows nothing of
// the customer it is for. It is what http.Post does: Go's default client has no
// timeout.
//
// What goes wrong: payment hangs, which is not to be dead, and every order hangs
// with it. The customers leave, their orders stay, until the order service has all
// it may have in flight and is dead itself. Experiment: pause payment.
func noTimeout(p *Policies, payment Charger) Charger {
	p.deadline, p.timeout, p.bulkhead = 365*24*time.Hour, nil, nil
	return wrongly(func(ctx context.Context, key string, c Charge) (Receipt, error) {
		return payment.Charge(context.WithoutCancel(ctx), key, c)
	})
}

// retryWithoutKey makes a new key for every try, which is as good as none: the repeat
// does not say that it is one.
//
// What goes wrong: a timeout says that no answer came, not that nothing was done. If
// it came after the charge, the next try charges a second time. Experiment: slow
// answers.
func retryWithoutKey(_ *Policies, payment Charger) Charger {
	return wrongly(func(ctx context.Context, _ string, c Charge) (Receipt, error) {
		return payment.Charge(ctx, "charge-"+uuid.NewString(), c)
	})
}

// retryStorm tries ten times, at once, without a pause, a budget, a breaker or a
// bulkhead: what one writes after the first failure in production.
//
// What goes wrong: the worse payment is, the more it is asked. What was half dead
// gets several times its load, and is kept from recovering by those who wait for
// it. Experiment: a payment that fails most of the time.
func retryStorm(p *Policies, payment Charger) Charger {
	p.bulkhead, p.breaker = nil, nil
	p.retry = retrypolicy.NewBuilder[Receipt]().
		HandleIf(func(_ Receipt, err error) bool { return retryable(err) }).
		WithMaxAttempts(10).ReturnLastFailure().Build()
	return payment
}

// noBreaker does not learn: that the last hundred calls have failed is no reason not
// to wait for the next one.
//
// What goes wrong: while payment hangs, every customer waits the full time for an
// answer that was known before he came. Experiment: pause payment.
func noBreaker(p *Policies, payment Charger) Charger {
	p.breaker = nil
	return payment
}
