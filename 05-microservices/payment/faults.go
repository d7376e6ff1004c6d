package payment

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// share picks a share of the calls, evenly: of 0.2 it is every fifth. With chance the same
// share would now and then fail five of ten, and a circuit breaker that opens by luck
// teaches nothing. It is safe for concurrent use.
type share struct{ calls atomic.Int64 }

func (s *share) next(of float64) bool {
	n := float64(s.calls.Add(1))
	return math.Floor(n*of) > math.Floor((n-1)*of)
}

// delay holds an answer back, if told to: the charge is made, and nobody hears of
// it in time. No caller can tell that from a charge that was never made.
func (p *Payment) delay(ctx context.Context) error {
	if p.settings.Slow <= 0 || !p.slow.next(p.settings.SlowShare) {
		return nil
	}
	timer := time.NewTimer(p.settings.Slow)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the caller did not wait for a slow answer: %w", ctx.Err())
	}
}
