package outbox

import (
	"fmt"
	"strings"
)

// A message that nobody can read is parked with the reason in its row, and the
// reason says what to do.
func Example_unreadable() {
	for _, m := range []Message{
		{Kind: OrderPlacedV1, Body: []byte(`"hello"`)},
		{Kind: OrderPlacedV1, Body: []byte(`{"order_id": "7"}`)},
		{Kind: Kind{"order.placed", 2}, Body: []byte(`{}`)},
		{Kind: Kind{"order.danced", 1}, Body: []byte(`{}`)},
	} {
		_, err := m.decode()
		fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n  "))
	}
	// Output:
	// unreadable message:
	//   order.placed v1:
	//   body is not an order:
	//   json:
	//   cannot unmarshal string into Go value of type shop.Order
	// unreadable message:
	//   order.placed v1:
	//   order_id "7":
	//   invalid UUID length:
	//   1
	// unreadable message:
	//   event "order.placed" version 2 is unknown:
	//   this consumer reads order.placed v1; deploy consumers before producers
	// unreadable message:
	//   event "order.danced" version 1 is unknown:
	//   this consumer reads order.placed v1; deploy consumers before producers
}
