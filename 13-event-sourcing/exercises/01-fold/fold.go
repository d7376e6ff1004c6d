// Package fold counts pieces.
package fold

// Event is something that has happened to an order.
type Event struct {
	Order    string
	Kind     string // placed, added or cancelled
	SKU      string // of what was placed or added
	Quantity int
}

// Reserved returns how many pieces of each product are set aside.
func Reserved(log []Event) (map[string]int, error) {
	reserved := map[string]int{}
	last := map[string]Event{}
	for _, e := range log {
		switch e.Kind {
		case "placed", "added":
			reserved[e.SKU] += e.Quantity
			last[e.Order] = e
		case "cancelled":
			reserved[last[e.Order].SKU] -= last[e.Order].Quantity
		}
	}
	return reserved, nil
}
