package payment

import (
	"cmp"
	"slices"
)

// Audit is what the book says of all that was charged.
type Audit struct {
	Sums
	Charges []Stood `json:"charges"`
}

// Sums are the book in two numbers: the truth about a run, whatever the processes have
// said in their logs before they were killed.
type Sums struct {
	Processed  int `json:"processed"`  // orders that were charged
	Duplicated int `json:"duplicated"` // charges beyond an order's first
}

// Stood is a charge in the book.
type Stood struct {
	Key         string `json:"key"`
	OrderID     string `json:"order_id"`
	AmountCents int64  `json:"amount_cents"`
	Times       int    `json:"times"` // how often its order was charged
}

// Audit reads the book from its beginning. It knows of the last charges, as many as
// two chapters hold.
func (p *Payment) Audit() (Audit, error) {
	charges, err := Charges(p.book.dir, p.book.ttl)
	if err != nil {
		return Audit{}, err
	}
	slices.SortFunc(charges, func(x, y Entry) int {
		return cmp.Or(cmp.Compare(x.AtMs, y.AtMs), cmp.Compare(x.Key, y.Key))
	})
	times := map[string]int{}
	for _, c := range charges {
		times[c.OrderID]++
	}
	a := Audit{Sums{len(times), len(charges) - len(times)}, []Stood{}}
	for _, c := range charges {
		a.Charges = append(a.Charges, Stood{c.Key, c.OrderID, c.AmountCents, times[c.OrderID]})
	}
	return a, nil
}
