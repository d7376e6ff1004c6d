package streams

import (
	"time"

	"course.example/shop"
)

// Payment is a record of the second stream: what the payment service has to say of an order.
type Payment struct {
	OrderID string    `json:"order_id"`
	Cents   int64     `json:"cents"`
	PaidAt  time.Time `json:"paid_at"`
}

// Paired is what a join has found out, for good.
type Paired struct {
	Outcome Outcome
	Order   shop.Order // the zero value where there is none
	Payment Payment    // the zero value where there is none
}

// Outcome says which halves there are. All but the first go to side streams.
type Outcome string

// The outcomes of a join. Each order that was in time has one of the first two, each payment one of the
// others or the first.
const (
	Paid      Outcome = "paid"       // in time
	Unpaid    Outcome = "unpaid"     // the time to pay is over
	Unmatched Outcome = "unmatched"  // a payment without an order, the second one of it, or a late one
	LateOrder Outcome = "late order" // nobody knows any more whether it was paid
)

// Join joins orders with their payments: two streams, of which neither is ever complete (a stream-stream
// join within a window). Each half waits for the other, and no longer than the window needs. The zero
// value lacks its settings; [NewJoin] makes one. It is for one goroutine.
type Join struct {
	// Within is how long after its order a payment counts.
	Within time.Duration
	// Slack is by how much records of one stream may overtake each other and still be in time.
	Slack time.Duration

	orders   map[string]shop.Order // that wait for their payment
	payments map[string][]Payment  // that wait for their order
	paid     map[string]time.Time  // when orders were placed that are joined, and may come again
	latest   [2]time.Time          // event times of orders and of payments
	closes   bool                  // what has waited long enough; a wrong variant changes it
}

// NewJoin returns a join of streams of which nothing is known yet.
func NewJoin(within, slack time.Duration) *Join {
	return &Join{
		Within: within, Slack: slack, closes: true,
		orders: map[string]shop.Order{}, payments: map[string][]Payment{}, paid: map[string]time.Time{},
	}
}

// Watermark is the time up to which both streams are believed to be here: the slower one decides. With the
// faster one's, an order would be unpaid because its payment has not been read yet.
func (j *Join) Watermark() time.Time {
	slower := j.latest[0]
	if j.latest[1].Before(slower) {
		slower = j.latest[1]
	}
	return slower.Add(-j.Slack)
}

// Waiting is how many halves, and identities of orders that may come again, are kept.
func (j *Join) Waiting() int {
	n := len(j.orders) + len(j.paid)
	for _, all := range j.payments {
		n += len(all)
	}
	return n
}

// AddOrder takes the next order and returns what is known for good by it.
func (j *Join) AddOrder(order shop.Order) (known []Paired) {
	if order.PlacedAt.After(j.latest[0]) {
		j.latest[0] = order.PlacedAt
	}
	_, waits := j.orders[order.ID]
	_, done := j.paid[order.ID]
	switch {
	case waits || done: // it stands in the log twice
	case j.over(order.PlacedAt):
		return []Paired{{Outcome: LateOrder, Order: order}}
	default:
		j.orders[order.ID] = order
		early := j.payments[order.ID]
		delete(j.payments, order.ID)
		for _, payment := range early {
			known = append(known, j.match(payment)...)
		}
	}
	return known
}

// AddPayment takes the next payment and returns what is known for good by it.
func (j *Join) AddPayment(payment Payment) []Paired {
	if payment.PaidAt.After(j.latest[1]) {
		j.latest[1] = payment.PaidAt
	}
	return j.match(payment)
}

// match pairs a payment with its order. Without one it waits: it may have come first.
func (j *Join) match(payment Payment) []Paired {
	order, waits := j.orders[payment.OrderID]
	switch {
	case waits && j.counts(order, payment):
		delete(j.orders, order.ID)
		j.paid[order.ID] = order.PlacedAt
		return []Paired{{Paid, order, payment}}
	case waits || !j.paid[payment.OrderID].IsZero():
		return []Paired{{Outcome: Unmatched, Payment: payment}}
	}
	j.payments[payment.OrderID] = append(j.payments[payment.OrderID], payment)
	return nil
}

func (j *Join) counts(order shop.Order, payment Payment) bool {
	return !payment.PaidAt.Before(order.PlacedAt) && !payment.PaidAt.After(order.PlacedAt.Add(j.Within))
}

// over says that every payment of an order placed at that time would have been read.
func (j *Join) over(placed time.Time) bool { return placed.Add(j.Within).Before(j.Watermark()) }

// Close gives up what has waited long enough; a reader calls it after each batch. Without it, what nobody
// pays is kept forever.
func (j *Join) Close() (known []Paired) {
	if !j.closes {
		return nil
	}
	for id, order := range j.orders {
		if j.over(order.PlacedAt) {
			delete(j.orders, id)
			known = append(known, Paired{Outcome: Unpaid, Order: order})
		}
	}
	for id, placed := range j.paid {
		if j.over(placed) {
			delete(j.paid, id)
		}
	}
	for id, all := range j.payments {
		var wait []Payment
		for _, payment := range all {
			if payment.PaidAt.Before(j.Watermark()) { // its order was placed before, and is not there
				known = append(known, Paired{Outcome: Unmatched, Payment: payment})
				continue
			}
			wait = append(wait, payment)
		}
		if j.payments[id] = wait; wait == nil {
			delete(j.payments, id)
		}
	}
	return known
}
