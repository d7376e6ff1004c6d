package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/cenkalti/backoff/v5"
)

// What keeps a shop going when more is asked of it than it can do. Without it a short
// flood is enough for good: each call that comes too late is made again, so that there
// is more to do, so that more calls come too late. It is called a metastable failure,
// since it outlives its cause. Four things end the circle:
//
//   - a call carries its deadline, and nobody serves one that was given up: see begin;
//   - a mailbox is bounded, and a full one says no at once: see deliver;
//   - so is the front door of the shop;
//   - who calls again does so from a budget, see [Budget].

// Call asks a grain until it answers or ctx ends, or retries wants no more. It waits try
// for each answer.
//
// A call that was under way when its grain's silo died is never answered. The
// next one activates the grain on another silo, as soon as the cluster has
// noticed: that is all there is to failover, and why every call here is safe to
// be made twice. It is the first in a chain of calls who tries again, and nobody
// else: three links with three tries each would be 27 calls for the last one.
func Call[T any](
	ctx context.Context, retries Retries, grain string, try time.Duration,
	ask func(...cluster.GrainCallOption) (T, error),
) (T, error) {
	// The pauses grow, and are random within a half, so that those who failed
	// together do not come back together.
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, time.Second
	var last error // what the grain or the engine said, rather than that time is up
	tries := 0
	answer, err := backoff.Retry(ctx, func() (T, error) {
		tries++
		waits, cancel := context.WithTimeoutCause(ctx, try, ErrNoAnswer)
		defer cancel()
		answer, err := ask(Until(waits))
		if err == nil || Refused(err) {
			retries.Answered()
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if err != nil && !retries.Again(err) {
			return answer, backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	if err == nil || Refused(err) {
		if tries > 1 {
			slog.InfoContext(ctx, "answered at last", "grain", grain, "tries", tries,
				"before", last)
		}
		return answer, err
	}
	return answer, fmt.Errorf("call %s: %w", grain, errors.Join(context.Cause(ctx), last))
}

// Retries decides whether a call is made again. Its methods are safe for concurrent use.
type Retries interface {
	Answered()            // a call was answered, with a yes or a final no
	Again(err error) bool // after this error
}

// Budget is what one process may spend on calling again. A try costs one, and ten
// answers earn one: when a silo has died, the calls in progress can be made again, and
// when nothing is answered any more, tries do not multiply the load. It is safe for
// concurrent use.
type Budget struct {
	mu    sync.Mutex
	tries float64
}

const (
	maxTries = 1000 // saved up, and at the start
	earned   = 0.1  // by an answer
)

// NewBudget returns a full one.
func NewBudget() *Budget { return &Budget{tries: maxTries} }

// Answered earns a tenth of a try.
func (b *Budget) Answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries = min(b.tries+earned, maxTries)
}

// Again spends a try, if there is one left. A final no is final, and a grain for which too
// many calls wait has to be left alone.
func (b *Budget) Again(err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if Refused(err) || Busy(err) || b.tries < 1 {
		return false
	}
	b.tries--
	return true
}
