package limits

import (
	"sync"
	"time"
)

// Fixed counts in windows that begin at full seconds, minutes, hours. It forgets
// everything when one ends: around that edge twice the limit passes.
type Fixed struct {
	n   int
	per time.Duration

	mu     sync.Mutex
	window time.Time // when the present one began
	passed int
}

// NewFixed lets n requests pass in each window of that length.
func NewFixed(n int, per time.Duration) *Fixed { return &Fixed{n: n, per: per} }

// Take counts a request in the window of now.
func (f *Fixed) Take(now time.Time) Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if window := now.Truncate(f.per); window.After(f.window) {
		f.window, f.passed = window, 0
	}
	if f.passed == f.n {
		return Answer{Wait: f.window.Add(f.per).Sub(now)}
	}
	f.passed++
	return Answer{}
}

// Sliding looks back from now: in no stretch of that length do more than n pass. It
// pays with memory, the time of each of the last n requests.
type Sliding struct {
	per time.Duration

	mu     sync.Mutex
	passed []time.Time // a ring
	oldest int
}

// NewSliding lets n requests pass in any stretch of that length.
func NewSliding(n int, per time.Duration) *Sliding {
	return &Sliding{per: per, passed: make([]time.Time, n)}
}

// Take lets a request pass if the n-th before it is long enough ago.
func (s *Sliding) Take(now time.Time) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if free := s.passed[s.oldest].Add(s.per); now.Before(free) {
		return Answer{Wait: free.Sub(now)}
	}
	s.passed[s.oldest] = now
	s.oldest = (s.oldest + 1) % len(s.passed)
	return Answer{}
}
