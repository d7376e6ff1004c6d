package limits

import (
	"context"
	"log/slog"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// Shared is a token bucket for each customer that all gateways have in common: one
// time stamp in Redis, read and written by one script (GCRA, the generic cell rate
// algorithm). The script takes the time from Redis, so clocks may differ.
type Shared struct {
	redis   *redis_rate.Limiter
	limit   redis_rate.Limit
	timeout time.Duration
	away    Limiter
	breaker circuitbreaker.CircuitBreaker[*redis_rate.Result]
}

// NewShared returns a limit in Redis. When Redis fails, or takes longer than the
// timeout, away decides.
func NewShared(
	client redis.UniversalClient, limit redis_rate.Limit, timeout time.Duration, away Limiter,
) *Shared {
	breaker := circuitbreaker.NewBuilder[*redis_rate.Result]().
		WithFailureThreshold(3).WithDelay(500 * time.Millisecond).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			slog.Warn("the limit in Redis", "was", e.OldState.String(), "is", e.NewState.String())
		}).Build()
	return &Shared{redis_rate.NewLimiter(client), limit, timeout, away, breaker}
}

// Take asks Redis. The breaker spares customers the wait for one that hangs.
func (s *Shared) Take(ctx context.Context, customer string) Answer {
	// A customer who hangs up is no failure of Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	result, err := failsafe.With(s.breaker).Get(func() (*redis_rate.Result, error) {
		return s.redis.Allow(ctx, customer, s.limit)
	})
	switch {
	case err != nil: // the breaker logs that it is so, once and not for each request
		return s.away.Take(ctx, customer)
	case result.Allowed == 0:
		return Answer{Wait: max(result.RetryAfter, 1)}
	default:
		return Answer{}
	}
}

// Open lets everybody through: when Redis is away there is no limit.
type Open struct{}

// Take lets the request pass.
func (Open) Take(context.Context, string) Answer { return Answer{} }

// Closed lets nobody through: when Redis is away, so is the shop.
type Closed struct{}

// Take refuses the request.
func (Closed) Take(context.Context, string) Answer {
	return Answer{Wait: time.Second, Away: true}
}
