package microservices

import (
	"maps"
	"slices"
	"strings"

	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// variants are what the wrong ways change in the right one.
var variants = map[string]func(Settings, *Orders, *Policies){
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

// noTimeout waits for payment as long as it takes, in a call that knows nothing of
// the customer it is for. It is what http.Post does: Go's default client has no
// timeout.
//
// What goes wrong: payment hangs, which is not to be dead, and every order hangs
// with it. The customers leave, their orders stay, until the order service has all
// it may have in flight and is dead itself. Experiment: pause payment.
func noTimeout(_ Settings, o *Orders, p *Policies) {
	o.detached = true
	p.deadline, p.timeout, p.bulkhead = 0, nil, nil
}

// retryWithoutKey tries again without saying that it is again.
//
// What goes wrong: a timeout says that no answer came, not that nothing was done. If
// it came after the charge, the next try charges a second time. Experiment: slow
// answers.
func retryWithoutKey(_ Settings, o *Orders, _ *Policies) { o.keyed = false }

// retryStorm tries ten times, at once, without a pause, a budget, a breaker or a
// bulkhead: what one writes after the first failure in production.
//
// What goes wrong: the worse payment is, the more it is asked. What was half dead
// gets several times its load, and is kept from recovering by those who wait for
// it. Experiment: a payment that fails most of the time.
func retryStorm(_ Settings, _ *Orders, p *Policies) {
	p.bulkhead, p.breaker = nil, nil
	p.retry = retrypolicy.NewBuilder[Receipt]().
		HandleIf(func(_ Receipt, err error) bool { return worthATry(err) }).
		WithMaxAttempts(10).ReturnLastFailure().Build()
}

// noBreaker does not learn: that the last hundred calls have failed is no reason not
// to wait for the next one.
//
// What goes wrong: while payment hangs, every customer waits the full time for an
// answer that was known before he came. Experiment: pause payment.
func noBreaker(_ Settings, _ *Orders, p *Policies) { p.breaker = nil }
