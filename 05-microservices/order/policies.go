package order

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
)

// Policies are put around every charge. A nil policy is left out.
type Policies struct {
	deadline time.Duration // for all tries together
	retry    failsafe.Policy[Receipt]
	bulkhead failsafe.Policy[Receipt]
	breaker  failsafe.Policy[Receipt]
	timeout  failsafe.Policy[Receipt]
}

// compose puts the policies around a call, from the outside to the inside:
//
//		deadline ( retry ( bulkhead ( breaker ( timeout ( call )))))
//
//	  - The deadline is outermost: it is what the customer is promised, however many
//	    tries and pauses there are within. It travels with the context, so that gRPC
//	    tells it to the other side.
//	  - Retry is outside of the rest: every try is one more call, which needs a slot,
//	    is counted by the breaker and has a timeout of its own. The pauses between the
//	    tries hold no slot.
//	  - The bulkhead is outside of the breaker: that we have too many calls under way
//	    says nothing about payment, and must count neither for it nor against it.
//	  - The breaker is outside of the timeout: a call that took too long is the very
//	    failure that it must see.
//	  - The timeout is innermost: it bounds one try, or a retry would never come.
func (p Policies) compose() failsafe.Executor[Receipt] {
	var chain []failsafe.Policy[Receipt]
	for _, policy := range []failsafe.Policy[Receipt]{
		p.retry, p.bulkhead, p.breaker, p.timeout,
	} {
		if policy != nil {
			chain = append(chain, policy)
		}
	}
	return failsafe.With(chain...)
}

// DefaultPolicies are the right ones.
func DefaultPolicies(s Settings) Policies {
	return Policies{
		deadline: s.Deadline,
		timeout:  timeout.New[Receipt](s.TryTimeout),

		// Half of at least ten calls in two seconds failed: payment is ill, and
		// more calls will not cure it. For half a second nobody calls, then three
		// calls try whether it is well. The jitter keeps many order services from
		// trying in the same instant.
		breaker: circuitbreaker.NewBuilder[Receipt]().
			HandleIf(func(_ Receipt, err error) bool { return paymentFailed(err) }).
			WithFailureRateThreshold(0.5, 10, 2*time.Second).
			WithDelay(500 * time.Millisecond).WithJitterFactor(0.2).
			WithSuccessThreshold(3).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
				slog.Warn("circuit breaker", "was", e.OldState.String(), "is", e.NewState.String())
			}).Build(),

		// So many calls at a time, and a place in it within 50 ms or not at all.
		// One slow service must not take every goroutine, socket and byte we have:
		// a ship with bulkheads does not sink for one hole.
		bulkhead: bulkhead.NewBuilder[Receipt](uint(s.Bulkhead)).
			WithMaxWaitTime(50 * time.Millisecond).Build(),

		// A few tries with growing pauses. Without the jitter, all who failed
		// together would come back together. The budget is what keeps retries
		// from becoming the load: at most a fifth of the calls under way.
		retry: retrypolicy.NewBuilder[Receipt]().
			HandleIf(func(_ Receipt, err error) bool { return retryable(err) }).
			WithMaxAttempts(s.Tries).
			WithBackoff(50*time.Millisecond, 400*time.Millisecond).WithJitterFactor(0.5).
			WithBudget(budget.NewBuilder().WithMaxRate(0.2).WithMinConcurrency(3).Build()).
			ReturnLastFailure().Build(),
	}
}

// paymentFailed says whether a call's end is payment's fault. A declined card is a
// good answer, and quickly given. A customer who hangs up says nothing about payment:
// if it did, a dozen of them could close the shop for everybody. (To the breaker a
// call went well or it failed. Such a call counts as one that went well, which while
// the breaker looks again lets it look once more.)
func paymentFailed(err error) bool {
	return err != nil && !errors.Is(err, ErrDeclined) && !errors.Is(err, ErrInvalid) &&
		!errors.Is(err, context.Canceled)
}

// retryable says whether the next try may end better. Behind an open breaker and a
// full bulkhead it would only add to what they are there to end.
func retryable(err error) bool {
	return paymentFailed(err) && !errors.Is(err, circuitbreaker.ErrOpen) &&
		!errors.Is(err, bulkhead.ErrFull)
}
