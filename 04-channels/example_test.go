package channels

import (
	"context"
	"errors"
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

// Workers take from one channel until it is closed and empty. A failure is that of one order.
func ExampleConsumer_Run() {
	s := DefaultSettings()
	s.Workers = 1
	queue := NewQueue(s)
	for _, id := range []string{"first", "second", "third"} {
		if err := queue.Put(shop.Order{ID: id}); err != nil {
			fmt.Println(err)
		}
	}
	queue.Close()
	NewConsumer(queue, s, func(_ context.Context, order shop.Order) error {
		if order.ID == "second" {
			fmt.Println(order.ID, "fails")
			return errors.New("no such product")
		}
		fmt.Println(order.ID, "is done")
		return nil
	}).Run(context.Background())
	// Output:
	// first is done
	// second fails
	// third is done
}

// The depth of the queue is the number to watch: it grows before customers are turned away.
func ExampleConsumer_Details() {
	s := DefaultSettings()
	s.Queue, s.Workers = 10, 2
	queue := NewQueue(s)
	consumer := NewConsumer(queue, s, nil) // not started: nobody takes anything
	for range 3 {
		if err := queue.Put(shop.Order{}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(consumer.Details(context.Background()))
	// Output: map[capacity:10 depth:3 in_progress:0 workers:2]
}
