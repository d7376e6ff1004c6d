// Package correct changes one field of an event that another program has written.
package correct

import "encoding/json"

// Order is what this program knows of an event.
type Order struct {
	ID        string `json:"order_id"`
	UserEmail string `json:"user_email"`
	Items     []Item `json:"items"`
}

// Item is one line of an order.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Email puts another address into the event.
func Email(event []byte, address string) ([]byte, error) {
	var order Order
	if err := json.Unmarshal(event, &order); err != nil {
		return nil, err
	}
	order.UserEmail = address
	return json.Marshal(order)
}
