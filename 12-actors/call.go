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

// refusal is the reason in the answer of a grain for which trying again is no
// use: the caller has to ask for something else.
const refusal = cluster.ErrorReason_FAILED_PRECONDITION

// Refused reports whether err is a grain's final no.
func Refused(err error) bool { return cluster.Reason(err) == refusal }

// refuse makes such an answer.
func refuse(err error) error { return cluster.NewGrainErrorResponse(refusal, err.Error()) }

// Call asks a grain until it answers or ctx ends, and waits try for each answer.
//
// A call that was under way when its grain's silo died is never answered. The
// next one activates the grain on another silo, as soon as the cluster has
// noticed: that is all there is to failover, and why every call here is safe to
// be made twice.
func Call[T any](
	ctx context.Context, grain string, try time.Duration,
	ask func(...cluster.GrainCallOption) (T, error),
) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 10*time.Millisecond, 300*time.Millisecond
	var last error // what the grain or the engine said, rather than that time is up
	tries := 0
	answer, err := backoff.Retry(ctx, func() (T, error) {
		tries++
		answer, err := once(ctx, try, ask)
		if err != nil && Refused(err) {
			return answer, backoff.Permanent(err)
		}
		if err != nil && ctx.Err() == nil {
			last = err
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

// once makes one call. The engine knows nothing of contexts, and may wait five
// seconds for a silo that is dead before it even looks at the time: its call goes
// on by itself then, and ends without anybody to tell.
func once[T any](
	ctx context.Context, try time.Duration, ask func(...cluster.GrainCallOption) (T, error),
) (T, error) {
	type result struct {
		answer T
		err    error
	}
	results := make(chan result, 1)
	go func() {
		answer, err := ask(cluster.WithTimeout(try), cluster.WithRetryCount(1),
			// The engine takes the number that this returns for the tries so far.
			cluster.WithRetryAction(func(tries int) int { return tries + 1 }))
		results <- result{answer, err}
	}()
	timer := time.NewTimer(try)
	defer timer.Stop()
	var none T
	select {
	case r := <-results:
		return r.answer, explain(r.err)
	case <-timer.C:
		return none, ErrNoAnswer
	case <-ctx.Done():
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
