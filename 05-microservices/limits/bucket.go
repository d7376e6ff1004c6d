package limits

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bucket is a token bucket: tokens drop in at a rate, each request takes one, and
// what is in it is the burst that passes at once. In a time t no more than
// burst + rate * t pass.
type Bucket struct {
	mu     sync.Mutex
	tokens *rate.Limiter
}

// NewBucket lets n requests pass in that time, and up to burst at once.
func NewBucket(n int, per time.Duration, burst int) *Bucket {
	return &Bucket{tokens: rate.NewLimiter(rate.Every(per/time.Duration(n)), burst)}
}

// Take takes a token. The limiter's own way to say how long to wait is to reserve a
// token and give it back. Two who do that at a time do not get all of it back, so it
// is calculated here, and under a lock, or the token might have come meanwhile.
func (b *Bucket) Take(now time.Time) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens.AllowN(now, 1) {
		return Answer{}
	}
	missing := 1 - b.tokens.TokensAt(now)
	wait := time.Duration(missing / float64(b.tokens.Limit()) * float64(time.Second))
	return Answer{Wait: max(wait, 1)}
}
