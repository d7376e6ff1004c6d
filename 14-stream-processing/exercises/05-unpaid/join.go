// Package join finds the orders that nobody has paid.
package join

import (
	"slices"
	"time"
)

// Within is how long a customer has to pay.
const Within = time.Minute

// Join joins orders with their payments. The zero value knows none.
type Join struct {
	open   map[string]time.Time // orders without a payment, and when they were placed
	latest time.Time
}

// Order takes the next order, and returns those that are unpaid for good.
func (j *Join) Order(id string, placed time.Time) (unpaid []string) {
	if j.open == nil {
		j.open = map[string]time.Time{}
	}
	j.open[id] = placed
	return j.advance(placed)
}

// Payment takes the next payment, and returns the orders that are unpaid for good.
func (j *Join) Payment(id string, paid time.Time) (unpaid []string) {
	delete(j.open, id)
	return j.advance(paid)
}

func (j *Join) advance(at time.Time) (unpaid []string) {
	if at.After(j.latest) {
		j.latest = at
	}
	for id, placed := range j.open {
		if j.latest.Sub(placed) > Within {
			delete(j.open, id)
			unpaid = append(unpaid, id)
		}
	}
	slices.Sort(unpaid)
	return unpaid
}
