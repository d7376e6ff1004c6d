// Package fold counts pieces.
package fold

import "fmt"

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
	has := map[string][]Event{}
	for _, e := range log {
		switch e.Kind {
		case "placed", "added":
			reserved[e.SKU] += e.Quantity
			has[e.Order] = append(has[e.Order], e)
		case "cancelled":
			for _, line := range has[e.Order] {
				reserved[line.SKU] -= line.Quantity
			}
		default:
			return nil, fmt.Errorf("order %s: an event of the unknown kind %q", e.Order, e.Kind)
		}
	}
	return reserved, nil
}
