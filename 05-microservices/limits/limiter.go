package limits

import (
	"context"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Limiter decides about each request of a customer. It is safe for concurrent use.
type Limiter interface {
	Take(ctx context.Context, customer string) Answer
}

// Answer lets a request through, or says when to come again.
type Answer struct {
	// Wait is 0 for a request that may pass. It never is for one that is refused.
	Wait time.Duration
	// Away says that it was refused because nobody can count, not because there
	// were too many.
	Away bool
	// Done is called when a request that has passed has ended. It may be nil.
	Done func()
}

// Limit is a limit for one customer. It is told the time, so that a test can be its
// clock. It is safe for concurrent use.
type Limit interface {
	Take(now time.Time) Answer
}

// PerCustomer keeps a limit for each customer in this process.
type PerCustomer struct {
	fresh  func() Limit
	mu     sync.Mutex
	limits *lru.Cache[string, Limit]
}

// NewPerCustomer makes limits with fresh. It remembers so many customers at most:
// otherwise whoever invents names could fill the memory. Who has not come for the
// longest time is forgotten first, and begins anew.
func NewPerCustomer(most int, fresh func() Limit) (*PerCustomer, error) {
	limits, err := lru.New[string, Limit](most)
	if err != nil {
		return nil, fmt.Errorf("limits for %d customers: %w", most, err)
	}
	return &PerCustomer{fresh: fresh, limits: limits}, nil
}

// Take asks the customer's own limit.
func (p *PerCustomer) Take(_ context.Context, customer string) Answer {
	return p.of(customer).Take(time.Now())
}

func (p *PerCustomer) of(customer string) Limit {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit, known := p.limits.Get(customer)
	if !known {
		limit = p.fresh()
		p.limits.Add(customer, limit)
	}
	return limit
}
