package mediator_test

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// A behaviour wraps every call of every handler: here it counts them.
func ExampleBehaviour() {
	type NewOrder struct{ sku string }

	calls := map[string]int{}
	count := func(ctx context.Context, c mediator.Call, next func(context.Context) error) error {
		calls[c.Handler]++
		return next(ctx)
	}
	m := mediator.New(mediator.Sequence, 0, count)
	handle := func(context.Context, NewOrder) error { return nil }
	mediator.Subscribe(m, "SendEmail", mediator.BestEffort, handle)
	mediator.Subscribe(m, "UpdateInventory", mediator.Essential, handle)
	orders := mediator.PublisherOf[NewOrder](m)
	for range 3 {
		if err := orders.Publish(context.Background(), NewOrder{"MUG-CHAN"}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(calls)
	// Output: map[SendEmail:3 UpdateInventory:3]
}

// A handler that panics, or takes longer than it may, harms its own part only.
func Example_guard() {
	type NewOrder struct{ sku string }

	m := mediator.New(mediator.Parallel, time.Millisecond)
	mediator.Subscribe(m, "Panics", mediator.BestEffort,
		func(context.Context, NewOrder) error { panic("a bug") })
	mediator.Subscribe(m, "Hangs", mediator.BestEffort,
		func(ctx context.Context, _ NewOrder) error { <-ctx.Done(); return ctx.Err() })
	mediator.Subscribe(m, "UpdateInventory", mediator.Essential,
		func(context.Context, NewOrder) error { return nil })

	err := mediator.PublisherOf[NewOrder](m).Publish(context.Background(), NewOrder{"MUG-CHAN"})
	caught, outcome := new(mediator.PanicError), new(mediator.PublishError)
	fmt.Println(errors.As(err, &caught), caught.Value)
	fmt.Println(errors.Is(err, mediator.ErrTimeout))
	fmt.Println(errors.As(err, &outcome), outcome.Done)
	// Output:
	// true a bug
	// true
	// true [UpdateInventory]
}
