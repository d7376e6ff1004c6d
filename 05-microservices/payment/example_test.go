package payment

import (
	"fmt"
	"testing"

	"course.example/lab/exampletest"
)

// The caller got no answer and tries again with the same key: it is charged once, and gets the
// first receipt again. Another key is another charge.
func ExamplePayment_Charge() {
	exampletest.Run(func(t testing.TB) {
		p := newPayment(t, quick(t))
		receipts := map[string]bool{}
		for _, key := range []string{"order-1", "order-1", "order-2"} {
			receipt, err := p.Charge(t.Context(), key, chargeOf(key, 1250))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("%s: %d cents, repeated: %t\n", key, receipt.AmountCents, receipt.Repeated)
			receipts[receipt.ID] = true
		}
		fmt.Println("charges:", len(receipts))
	})
	// Output:
	// order-1: 1250 cents, repeated: false
	// order-1: 1250 cents, repeated: true
	// order-2: 1250 cents, repeated: false
	// charges: 2
}
