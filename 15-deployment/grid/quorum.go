package grid

import (
	"slices"
	"time"
)

// Verdict is what came of a result.
type Verdict struct {
	Unit    Unit
	Settled bool // a quorum has found the same: this is the effect of the order
	Again   bool // it was known already
	Result  Result
	Banned  []string // those who had told something else
	Counts  Counts   // after it
}

// Report takes what a worker has found. A result that comes after its lease counts all the
// same: the work was done. To report again, because the answer was lost, changes nothing.
func (c *Coordinator) Report(worker, order string, r Result) (Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, known := c.units[order]
	switch {
	case c.banned[worker]:
		return Verdict{}, ErrBanned
	case !known:
		return Verdict{}, ErrUnknown
	case u.done:
		return Verdict{Unit: u.Unit, Again: true}, nil
	}
	if _, told := u.results[worker]; told {
		return Verdict{Unit: u.Unit, Again: true}, nil
	}
	if _, given := u.leases[worker]; !given {
		return Verdict{}, ErrNotGiven
	}
	if err := c.journal.write(entry{Told: &told{worker, order, r}}); err != nil {
		return Verdict{}, err
	}
	return c.apply(u, worker, r), nil
}

func (c *Coordinator) apply(u *unit, worker string, r Result) Verdict {
	u.results[worker] = r
	v := Verdict{Unit: u.Unit}
	if best, votes := u.leading(); votes >= c.rules.Quorum {
		v.Settled, v.Result, v.Banned = true, best, c.settle(u, best)
	}
	v.Counts = c.snapshot()
	return v
}

// settle ends a unit, and bans who has told something else than the quorum.
func (c *Coordinator) settle(u *unit, r Result) (banned []string) {
	c.open = slices.DeleteFunc(c.open, func(o *unit) bool { return o == u })
	c.counts.Done++
	c.lately = append(c.lately, time.Now())
	if r.Prime {
		c.counts.Primes = append(c.counts.Primes, u.Exponent)
	}
	for worker, other := range u.results {
		if other != r {
			c.ban(worker)
			banned = append(banned, worker)
		}
	}
	u.done, u.leases, u.results = true, nil, nil
	return banned
}

// ban throws away what a worker has told of units that are still open: others do them
// again. Where a unit is settled, somebody else had found the same.
func (c *Coordinator) ban(worker string) {
	c.banned[worker] = true
	c.counts.Banned++
	for _, u := range c.open {
		if _, told := u.results[worker]; told {
			delete(u.results, worker)
			c.counts.Thrown++
		}
		delete(u.leases, worker)
	}
}

// Counts are those of now.
func (c *Coordinator) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot()
}

func (c *Coordinator) snapshot() Counts {
	c.lately = slices.DeleteFunc(c.lately, func(done time.Time) bool {
		return time.Since(done) > time.Second
	})
	now := c.counts
	now.Open, now.PerSecond = len(c.open), len(c.lately)
	now.Primes = slices.Clone(c.counts.Primes)
	return now
}
