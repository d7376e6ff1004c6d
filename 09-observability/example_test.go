package observability

import (
	"fmt"
	"testing"

	"course.example/lab/services/servicestest"
)

// One order goes through three processes and two queues. Its context travels in the headers of the
// messages, and so all of it is one trace.
func Example_trace() {
	servicestest.Example(func(t testing.TB) {
		w := newWorld(t)
		w.produce()
		w.consume("consumer", "consumer-1", NewConsumer)
		w.consume("shipper", "shipper", NewShipper)
		order := w.order("", "")
		w.worked("shipper", 1)
		w.end()
		trace := w.traces(order)[0]
		fmt.Println("processes:", trace.Services)
		fmt.Println(names(trace.Rows))
	})
	// Output:
	// processes: [producer consumer shipper]
	// POST /orders Server
	//   publish orders Producer
	//     receive orders Client
	//       process orders Consumer
	//         publish orders.emailed Producer
	//           receive orders.emailed Client
	//             process orders.emailed Consumer
	//             ack orders.emailed Client
	//       ack orders Client
}
