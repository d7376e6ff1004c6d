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
	early  map[string]time.Time // payments without an order
	latest [2]time.Time         // of orders and of payments
}

// Order takes the next order, and returns those that are unpaid for good.
func (j *Join) Order(id string, placed time.Time) (unpaid []string) {
	if j.open == nil {
		j.open, j.early = map[string]time.Time{}, map[string]time.Time{}
	}
	if paid, came := j.early[id]; !came || paid.Sub(placed) > Within {
		j.open[id] = placed
	}
	delete(j.early, id)
	return j.advance(0, placed)
}

// Payment takes the next payment, and returns the orders that are unpaid for good.
func (j *Join) Payment(id string, paid time.Time) (unpaid []string) {
	if j.open == nil {
		j.open, j.early = map[string]time.Time{}, map[string]time.Time{}
	}
	placed, waits := j.open[id]
	switch {
	case !waits:
		j.early[id] = paid
	case paid.Sub(placed) <= Within:
		delete(j.open, id)
	}
	return j.advance(1, paid)
}

// advance gives up the orders that are over by the slower of the two streams.
func (j *Join) advance(stream int, at time.Time) (unpaid []string) {
	j.latest[stream] = at
	slower := j.latest[0]
	if j.latest[1].Before(slower) {
		slower = j.latest[1]
	}
	for id, placed := range j.open {
		if slower.Sub(placed) > Within {
			delete(j.open, id)
			unpaid = append(unpaid, id)
		}
	}
	slices.Sort(unpaid)
	return unpaid
}
