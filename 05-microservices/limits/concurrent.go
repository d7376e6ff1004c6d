package limits

import (
	"sync"
	"time"
)

// Concurrent bounds how many requests of a customer are in progress at a time. It knows
// no rate: who gets fast answers may ask often.
type Concurrent struct{ places chan struct{} }

// NewConcurrent lets n requests in at a time.
func NewConcurrent(n int) *Concurrent { return &Concurrent{make(chan struct{}, n)} }

// Take takes a place until Done is called.
func (c *Concurrent) Take(time.Time) Answer {
	select {
	case c.places <- struct{}{}:
		return Answer{Done: sync.OnceFunc(func() { <-c.places })}
	default:
		// Nobody knows when one of those in progress will end: this is a guess.
		return Answer{Wait: time.Second}
	}
}
