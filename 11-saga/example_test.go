package saga

import (
	"fmt"
	"testing"

	"course.example/lab/services/servicestest"
)

// The machine is a pure function: an event goes in, the next command comes out. Here the stock is
// refused, and what was done before is taken back: the payment.
func ExampleSaga_Fire() {
	s, rules := Saga{State: Initially}, Rules{Attempts: 3, machine: orderSaga}
	for _, event := range []Kind{OrderPlaced, PaymentCharged, StockRefused, PaymentRefunded} {
		commands, _ := s.Fire(Message{Kind: event}, rules)
		fmt.Printf("%s: %s", event, s.State)
		for _, command := range commands {
			fmt.Printf(", send %s", command.Kind)
		}
		fmt.Println()
	}
	// Output:
	// order.placed: ChargingPayment, send payment.charge
	// payment.charged: ReservingStock, send inventory.reserve
	// inventory.refused: RefundingPayment, send payment.refund
	// payment.refunded: Cancelled
}

// A service decides once for each order. An undo that comes before its command counts, too.
func ExampleDecision_Next() {
	const do, undo = false, true
	for _, commands := range [][]bool{{do, do}, {do, undo, undo}, {undo, do}} {
		now, sum := Undecided, 0
		for _, command := range commands {
			next, effect := now.Next(command, false)
			now, sum = next, sum+effect
		}
		fmt.Printf("%s, effects: %d\n", now, sum)
	}
	// Output:
	// done, effects: 1
	// undone, effects: 0
	// undone, effects: 0
}

// Four orders through three services. Each service refuses one, and nothing is left half done.
func Example_orchestration() {
	servicestest.Example(func(t testing.TB) {
		w := newWorld(t, "right")
		w.start("orchestrator", "payment", "inventory", "shipping")
		w.place(clients...)
		account := w.settled()
		fmt.Println("accepted:", account.Accepted)
		fmt.Println("cancelled:", account.Cancelled)
		fmt.Println("violations:", account.Violations())
	})
	// Output:
	// accepted: 1
	// cancelled: 3
	// violations: 0
}

// The same business without an orchestrator: each service waits for the event of the one before it.
func Example_choreography() {
	servicestest.Example(func(t testing.TB) {
		w := newWorld(t, "choreography")
		w.start("payment", "inventory", "shipping")
		w.place(clients...)
		account := w.settled()
		fmt.Println("accepted:", account.Accepted)
		fmt.Println("cancelled:", account.Cancelled)
		fmt.Println("violations:", account.Violations())
	})
	// Output:
	// accepted: 1
	// cancelled: 3
	// violations: 0
}
