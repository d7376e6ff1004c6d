package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/cenkalti/backoff/v5"
)

// ErrNoAnswer: the call was made, and no answer came in time. It may have been
// carried out or not; whoever calls again relies on the grain's being idempotent.
var ErrNoAnswer = errors.New("no answer in time")

// Reasons in the answer of a grain for which trying again is no use: the caller has
// to ask for something else, or to come back later.
const (
	refusal = cluster.ErrorReason_FAILED_PRECONDITION
	busy    = cluster.ErrorReason_RESOURCE_EXHAUSTED
)

// Refused reports whether err is a grain's final no.
func Refused(err error) bool { return cluster.Reason(err) == refusal }

// Busy reports whether err comes from a grain for which too many calls wait.
func Busy(err error) bool { return cluster.Reason(err) == busy }

// refuse makes a final no.
func refuse(err error) error { return cluster.NewGrainErrorResponse(refusal, err.Error()) }

// Call asks a grain until it answers or ctx ends, or there is nothing left in the
// budget. It waits try for each answer.
//
// A call that was under way when its grain's silo died is never answered. The
// next one activates the grain on another silo, as soon as the cluster has
// noticed: that is all there is to failover, and why every call here is safe to
// be made twice. It is the first in a chain of calls who tries again, and nobody
// else: three links with three tries each would be 27 calls for the last one.
func Call[T any](
	ctx context.Context, budget *Budget, grain string, try time.Duration,
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
		answer, err := Ask(waits, ask)
		if err == nil || Refused(err) {
			budget.earn()
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if err != nil && (Refused(err) || Busy(err) || !budget.spend()) {
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

// Ask makes one call, and waits for the answer until ctx ends; the call carries that
// deadline. The engine knows nothing of contexts, and may wait five seconds for a
// silo that is dead before it even looks at the time: its call goes on by itself
// then, and ends without anybody to tell.
func Ask[T any](
	ctx context.Context, ask func(...cluster.GrainCallOption) (T, error),
) (T, error) {
	type result struct {
		answer T
		err    error
	}
	results := make(chan result, 1)
	moment, _ := ctx.Deadline()
	go func() {
		answer, err := ask(withDeadline(moment), cluster.WithTimeout(time.Until(moment)),
			cluster.WithRetryCount(1),
			// The engine takes the number that this returns for the tries so far.
			cluster.WithRetryAction(func(tries int) int { return tries + 1 }))
		results <- result{answer, err}
	}()
	select {
	case r := <-results:
		return r.answer, explain(r.err)
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// explain says in one way what the engine says in several.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if said := new(cluster.GrainErrorResponse); errors.As(err, &said) {
		return said
	}
	for _, late := range []string{"max retries", "deadline exceeded", "timeout"} {
		if strings.Contains(err.Error(), late) {
			return ErrNoAnswer
		}
	}
	return err
}
