package streams

import "time"

// Payment is the other kind of record: what the payment service has to say of an order. It stands in the
// partition of its order, so that one reader has both.
type Payment struct {
	OrderID string    `json:"order_id"`
	Cents   int64     `json:"cents"`
	PaidAt  time.Time `json:"paid_at"`
}

// Half is a record of one of the two streams as a join keeps it.
type Half struct {
	Payment bool // and otherwise an order
	OrderID string
	At      time.Time // event time: when it was placed, or paid
	Cents   int64
	Offset  uint64 // where it stands in its partition
}

// Fate is what a join knows of a half.
type Fate struct {
	Half
	Outcome Outcome
}

// Outcome is what became of a half.
type Outcome string

// The outcomes of a join. An order and its payment are [Paid] together; what is alone goes to a side
// stream. All but the first are for good.
const (
	Waiting   Outcome = "waiting"    // for its other half
	Paid      Outcome = "paid"       // both are there, and in time
	Unpaid    Outcome = "unpaid"     // an order whose time to pay is over
	Unmatched Outcome = "unmatched"  // a payment without an order, the second one of it, or a late one
	LateOrder Outcome = "late order" // nobody knows any more whether it was paid
)

// Join joins orders with their payments: two streams, of which neither is ever complete (a stream-stream
// join within a window). Each half waits for the other, and no longer than the window needs. What comes
// out depends on the records and their order alone, and not on when [Join.Close] is called. The zero value
// lacks its settings; [NewJoin] makes one. It is for one goroutine.
type Join struct {
	// Within is how long after its order a payment counts.
	Within time.Duration
	// Slack is by how much records of one stream may overtake each other and still be in time.
	Slack time.Duration

	orders   map[string]Half      // that wait for their payment
	payments map[string][]Half    // that wait for their order
	paid     map[string]time.Time // when orders were placed that are joined, and may come again
	latest   [2]time.Time         // event times of orders and of payments
	closes   bool                 // what has waited long enough; a wrong variant changes it
}

// NewJoin returns a join of streams of which nothing is known yet.
func NewJoin(within, slack time.Duration) *Join {
	return &Join{
		Within: within, Slack: slack, closes: true,
		orders: map[string]Half{}, payments: map[string][]Half{}, paid: map[string]time.Time{},
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

// AddOrder takes the next order and returns what is known by it. An order that stands in the log twice has
// no second fate.
func (j *Join) AddOrder(order Half) []Fate {
	if order.At.After(j.latest[0]) {
		j.latest[0] = order.At
	}
	_, waits := j.orders[order.OrderID]
	_, done := j.paid[order.OrderID]
	switch {
	case j.over(order.At):
		return []Fate{{order, LateOrder}}
	case waits || done:
		return nil
	}
	j.orders[order.OrderID] = order
	fates := []Fate{{order, Waiting}}
	early := j.payments[order.OrderID]
	delete(j.payments, order.OrderID)
	for _, payment := range early {
		if j.alone(payment) {
			fates = append(fates, Fate{payment, Unmatched})
			continue
		}
		fates = append(fates, j.match(payment)...)
	}
	return fates
}

// AddPayment takes the next payment and returns what is known by it.
func (j *Join) AddPayment(payment Half) []Fate {
	if payment.At.After(j.latest[1]) {
		j.latest[1] = payment.At
	}
	return j.match(payment)
}

// match pairs a payment with its order. Without one it waits: it may have come first.
func (j *Join) match(payment Half) []Fate {
	order, waits := j.orders[payment.OrderID]
	placed, done := j.paid[payment.OrderID]
	waits, done = waits && !j.over(order.At), done && !j.over(placed)
	switch {
	case waits && j.counts(order, payment):
		delete(j.orders, order.OrderID)
		j.paid[order.OrderID] = order.At
		return []Fate{{order, Paid}, {payment, Paid}}
	case waits || done || j.alone(payment):
		return []Fate{{payment, Unmatched}}
	}
	j.payments[payment.OrderID] = append(j.payments[payment.OrderID], payment)
	return []Fate{{payment, Waiting}}
}

func (j *Join) counts(order, payment Half) bool {
	return !payment.At.Before(order.At) && !payment.At.After(order.At.Add(j.Within))
}

// over says that every payment of an order placed at that time would have been read.
func (j *Join) over(placed time.Time) bool { return placed.Add(j.Within).Before(j.Watermark()) }

// alone says that the order of a payment, which was placed before it, would have been read.
func (j *Join) alone(payment Half) bool { return payment.At.Before(j.Watermark()) }

// Close gives up what has waited long enough; a reader calls it after each batch. Without it, what nobody
// pays is kept forever.
func (j *Join) Close() (known []Fate) {
	if !j.closes {
		return nil
	}
	for id, order := range j.orders {
		if j.over(order.At) {
			delete(j.orders, id)
			known = append(known, Fate{order, Unpaid})
		}
	}
	for id, placed := range j.paid {
		if j.over(placed) {
			delete(j.paid, id)
		}
	}
	for id, all := range j.payments {
		var wait []Half
		for _, payment := range all {
			if j.alone(payment) {
				known = append(known, Fate{payment, Unmatched})
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

// restore brings back what another reader has kept: a half that waits, or an order that is paid.
func (j *Join) restore(f Fate) {
	switch {
	case f.Payment:
		j.payments[f.OrderID] = append(j.payments[f.OrderID], f.Half)
	case f.Outcome == Paid:
		j.paid[f.OrderID] = f.At
	default:
		j.orders[f.OrderID] = f.Half
	}
}
