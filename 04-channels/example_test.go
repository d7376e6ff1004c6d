package channels

import (
	"context"
	"fmt"

	"course.example/shop"
)

// A queue of two and nobody who takes from it: the third customer is told.
func Example_backpressure() {
	s := DefaultSettings()
	s.Queue = 2
	queue := NewQueue(s)
	producer := NewProducer(queue)
	for range 3 {
		fmt.Println(producer.Place(context.Background(), shop.Order{}))
	}
	<-queue.Orders() // a worker takes one
	fmt.Println(producer.Place(context.Background(), shop.Order{}))
	// Output:
	// <nil>
	// <nil>
	// the queue is full: 2 orders wait
	// <nil>
}

// Closing a channel loses nothing of what is in it. A worker's range ends when
// it is closed and empty: that is the whole of a drain.
func Example_drain() {
	s := DefaultSettings()
	queue := NewQueue(s)
	for _, id := range []string{"first", "second", "third"} {
		if err := queue.Put(shop.Order{ID: id}); err != nil {
			fmt.Println(err)
		}
	}
	queue.Close()
	for order := range queue.Orders() {
		fmt.Println(order.ID)
	}
	fmt.Println(queue.Put(shop.Order{ID: "fourth"}))
	// Output:
	// first
	// second
	// third
	// the shop is closing
}
