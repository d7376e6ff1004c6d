package grid

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"course.example/shop"
)

// Rules say how much the coordinator trusts its workers.
type Rules struct {
	Lease  time.Duration // after which a unit is given to somebody else
	Quorum int           // so many different workers must have found the same
	From   int           // the exponents are the primes above it
}

// Unit is a piece of work: is 2^Exponent-1 a prime?
type Unit struct {
	Order    string `json:"order"`
	Exponent int    `json:"exponent"`
	Attempt  int    `json:"attempt"` // how often it was given out
}

// What a worker is told who gets nothing.
var (
	ErrBanned   = errors.New("this worker has told a wrong result, and is not trusted any more")
	ErrNothing  = errors.New("there is nothing to do now")
	ErrUnknown  = errors.New("there is no such unit")
	ErrNotGiven = errors.New("this worker was not given that unit")
)

// maxOpen units may wait. Who brings more is asked to come again.
const maxOpen = 10_000

type unit struct {
	Unit
	leases  map[string]time.Time // by worker: until when it is waited for
	results map[string]Result    // by worker
	done    bool
}

// Coordinator gives units to workers and believes what a quorum of them has found. It is
// safe for concurrent use.
type Coordinator struct {
	rules   Rules
	journal *journal

	mu     sync.Mutex
	units  map[string]*unit // by order
	open   []*unit          // the oldest first
	last   int              // exponent
	banned map[string]bool
	lately []time.Time // when units were done, within a second
	counts Counts
}

// Counts are what has come of all units so far.
type Counts struct {
	Open, Done int
	Primes     []int
	Banned     int // workers
	Thrown     int // results of theirs, in units that are done again
	AtOnce     int // units that were given out at the same time, at most
	PerSecond  int // units done within the last second
}

// NewCoordinator has no units yet, and forgets them when it ends: see [Open].
func NewCoordinator(rules Rules) *Coordinator {
	return &Coordinator{rules: rules, last: rules.From,
		units: map[string]*unit{}, banned: map[string]bool{}, counts: Counts{Primes: []int{}}}
}

// Add makes a unit of the next exponent, for an order. It is [shop.Counter]'s Place.
func (c *Coordinator) Add(_ context.Context, order shop.Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= maxOpen {
		return shop.Unavailable(fmt.Errorf("%d units wait already", maxOpen), time.Second)
	}
	u := Unit{Order: order.ID, Exponent: nextExponent(c.last)}
	if err := c.journal.write(entry{Unit: &u}); err != nil {
		return shop.Unavailable(err, time.Second)
	}
	c.add(u)
	return nil
}

func (c *Coordinator) add(u Unit) {
	c.last = u.Exponent
	c.units[u.Order] = &unit{Unit: u, leases: map[string]time.Time{}, results: map[string]Result{}}
	c.open = append(c.open, c.units[u.Order])
}

// Take gives a worker the oldest unit that still needs one. [ErrNothing] is for now,
// [ErrBanned] for ever.
func (c *Coordinator) Take(worker string) (Unit, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.banned[worker] {
		return Unit{}, ErrBanned
	}
	now := time.Now()
	i := slices.IndexFunc(c.open, func(u *unit) bool {
		return u.wants(worker, c.rules.Quorum, now)
	})
	if i < 0 {
		return Unit{}, ErrNothing
	}
	u := c.open[i]
	u.leases[worker] = now.Add(c.rules.Lease)
	u.Attempt++
	c.counts.AtOnce = max(c.counts.AtOnce, c.atWork(now))
	return u.Unit, nil
}

// wants says whether the unit can use this worker: it has not told its result yet, and
// the results that agree, and those that are on their way, are fewer than the quorum.
func (u *unit) wants(worker string, quorum int, now time.Time) bool {
	if _, told := u.results[worker]; told {
		return false // the second opinion must be another's
	}
	_, votes := u.leading()
	return votes+u.atWork(worker, now) < quorum
}

// atWork counts the workers, but for one, who are waited for.
func (u *unit) atWork(except string, now time.Time) (n int) {
	for worker, until := range u.leases {
		if _, told := u.results[worker]; !told && worker != except && now.Before(until) {
			n++
		}
	}
	return n
}

func (c *Coordinator) atWork(now time.Time) (n int) {
	for _, u := range c.open {
		n += u.atWork("", now)
	}
	return n
}

// leading is the result that most workers have found, and how many they are.
func (u *unit) leading() (best Result, votes int) {
	count := map[Result]int{}
	for _, r := range u.results {
		if count[r]++; count[r] > votes {
			best, votes = r, count[r]
		}
	}
	return best, votes
}
