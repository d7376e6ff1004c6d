package mediator_test

import (
	"context"
	"errors"
	"fmt"

	mediator "course.example/03-mediator"
)

// Two handlers that do not know each other, and one that fails: the other is told
// all the same, and the publisher learns of both.
func Example() {
	type NewOrder struct{ sku string }

	m := mediator.New(mediator.Sequence, 0)
	mediator.Subscribe(m, "SendEmail", mediator.BestEffort,
		func(context.Context, NewOrder) error { return errors.New("the e-mail bounced") })
	mediator.Subscribe(m, "UpdateInventory", mediator.Essential,
		func(_ context.Context, e NewOrder) error {
			fmt.Println("took one", e.sku)
			return nil
		})

	orders := mediator.PublisherOf[NewOrder](m)
	err := orders.Publish(context.Background(), NewOrder{"MUG-CHAN"})
	fmt.Println("error:", err)

	outcome := new(mediator.PublishError)
	if errors.As(err, &outcome) {
		fmt.Println("done: ", outcome.Done)
		fmt.Println("essential:", outcome.Essential())
	}
	// Output:
	// took one MUG-CHAN
	// error: SendEmail: the e-mail bounced
	// done:  [UpdateInventory]
	// essential: false
}

// A request has one handler and an answer.
func ExampleSender_Send() {
	type StockLevel struct{ sku string }

	m := mediator.New(mediator.Sequence, 0)
	err := mediator.Respond(m, "StockLevel",
		func(_ context.Context, q StockLevel) (int, error) { return len(q.sku), nil })
	fmt.Println(err)

	ask, err := mediator.SenderOf[StockLevel, int](m)
	fmt.Println(err)
	fmt.Println(ask.Send(context.Background(), StockLevel{"MUG-CHAN"}))

	_, err = mediator.SenderOf[string, int](m)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// 8 <nil>
	// string with an answer of int: nobody answers this request
}
