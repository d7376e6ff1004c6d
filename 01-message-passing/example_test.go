package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// The sender knows the receiver, and waits while it works.
func ExampleCall() {
	if err := Call(context.Background(), os.Stdout, &Consumer{}, 2); err != nil {
		fmt.Println(err)
	}
	// Output:
	//   Counter: 1 with result: 2
	//   Counter: 2 with result: 4
}

// One sender, two receivers: the receiver decides what the message means.
func ExampleDispatch() {
	for _, receiver := range []Elaborator{&Consumer{}, Multiplier{}} {
		if err := Dispatch(context.Background(), os.Stdout, receiver, 3); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	//   Counter: 1 with result: 2
	//   Counter: 2 with result: 4
	//   Counter: 3 with result: 6
	//   Counter: 1 with result: 1
	//   Counter: 2 with result: 4
	//   Counter: 3 with result: 9
}

// Ten senders and one receiver without a lock: the goroutine that reads the mailbox owns it.
func ExampleMailbox_Ask() {
	ctx, cancel := context.WithCancel(context.Background())
	mailbox, receiver := NewMailbox(), &Consumer{}
	var owner, senders sync.WaitGroup
	owner.Go(func() { mailbox.Serve(ctx, receiver) })
	for i := range 10 {
		senders.Go(func() {
			if sum, err := mailbox.Ask(ctx, i, i); err != nil || sum != 2*i {
				fmt.Println(sum, err)
			}
		})
	}
	senders.Wait()
	cancel()
	owner.Wait()
	fmt.Println("handled:", receiver.handled)
	// Output: handled: 10
}

// Nobody reads the mailbox: the sender waits as long as its context lasts, and is told.
func ExampleMailbox_Ask_unanswered() {
	ctx, cancel := context.WithCancelCause(context.Background())
	mailbox := NewMailbox()
	for range room {
		mailbox.messages <- message{} // until it is full
	}
	cancel(errors.New("the sender has no more time"))
	_, err := mailbox.Ask(ctx, 1, 1)
	fmt.Println(err)
	// Output: the mailbox is full: the sender has no more time
}

// Two producers read the same value and both write one more: one of the two is lost.
func Example_lostUpdate() {
	counter := 0
	increment(&counter, func() { increment(&counter, func() {}) })
	fmt.Println("added 2, counted", counter)
	// Output: added 2, counted 1
}
