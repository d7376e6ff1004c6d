package async

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The call returns at once. The answer is awaited where it is needed.
func ExampleFuture_Await() {
	ctx, asked := context.Background(), make(chan struct{})
	answer := Go(ctx, func(context.Context) (int, error) {
		<-asked
		return 42, nil
	})
	fmt.Println("the caller is free")
	close(asked)
	fmt.Println(answer.Await(ctx))
	// Output:
	// the caller is free
	// 42 <nil>
}

// An error at the beginning of a chain comes out at its end. What follows it is not called.
func ExampleThen() {
	ctx := context.Background()
	one := func(context.Context) (int, error) { return 1, nil }
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	fails := func(context.Context, int) (int, error) { return 0, errors.New("the stock is empty") }
	fmt.Println(Then(ctx, Then(ctx, Go(ctx, one), double), double).Await(ctx))
	fmt.Println(Then(ctx, Then(ctx, Go(ctx, one), fails), double).Await(ctx))
	// Output:
	// 4 <nil>
	// 0 the stock is empty
}

// All needs every answer: the first error ends it, and the others are cancelled.
func ExampleAll() {
	ctx, cancelled := context.Background(), make(chan struct{})
	slow := Go(ctx, func(ctx context.Context) (string, error) {
		defer close(cancelled)
		return "", Sleep(ctx, time.Hour)
	})
	broken := Go(ctx, func(context.Context) (string, error) {
		return "", errors.New("no e-mail today")
	})
	_, err := All(ctx, slow, broken).Await(ctx)
	<-cancelled
	fmt.Println(err)
	// Output: no e-mail today
}

// Race wants the first that succeeds: a replica that is down answers fast, and does not win.
func ExampleRace() {
	ctx := context.Background()
	down := Go(ctx, func(context.Context) (string, error) {
		return "", errors.New("connection refused")
	})
	slow := Go(ctx, func(ctx context.Context) (string, error) {
		return "from the second", Sleep(ctx, time.Millisecond)
	})
	fmt.Println(Race(ctx, down, slow).Await(ctx))
	// Output: from the second <nil>
}

// A replica that hangs costs a second call, and not the customer's patience.
func ExampleHedge() {
	ctx := context.Background()
	hangs := func(ctx context.Context) (string, error) { return "", Sleep(ctx, time.Hour) }
	works := func(context.Context) (string, error) { return "from the second", nil }
	fmt.Println(Hedge(ctx, time.Millisecond, hangs, works).Await(ctx))
	// Output: from the second <nil>
}

// Who gives up says so to the work as well: its context ends, and no goroutine is left.
func ExampleCaller_GiveUp() {
	caller, err := NewCaller("right")
	if err != nil {
		fmt.Println(err)
	}
	hangs := func(ctx context.Context) (int, error) { return 0, Sleep(ctx, time.Hour) }
	fmt.Println(caller.GiveUp(context.Background(), 3, time.Millisecond, hangs))
	// Output: 3 <nil>
}

// A panic in the work is an error of the future. It does not end the program.
func ExamplePanicError() {
	ctx := context.Background()
	_, err := Go(ctx, func(context.Context) (int, error) { panic("a bug") }).Await(ctx)
	caught := new(PanicError)
	fmt.Println(errors.As(err, &caught), caught.Value)
	// Output: true a bug
}
