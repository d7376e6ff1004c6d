package lock_test

import (
	"context"
	"fmt"

	lock "course.example/10-distributed-lock"
	"course.example/shop"
)

// Two holders, one of whom has stood still for too long. The account knows nothing
// of locks; the tokens are enough.
func ExampleAccount() {
	ctx := context.Background()
	account := lock.NewAccount()
	must(account.Open(ctx, shop.Order{ID: "my-order-id"}))

	for _, holder := range []string{"A", "B"} {
		token, err := account.Draw(ctx, "my-order-id")
		must(err)
		billed, err := account.Enter(ctx, "my-order-id", holder, token)
		must(err)
		fmt.Println(holder, "has token", token, "and reads: billed", billed)
	}
	fmt.Println("A, late:", account.Bill(ctx, "my-order-id", "A", 1))
	fmt.Println("B:", account.Bill(ctx, "my-order-id", "B", 2))
	// Output:
	// A has token 1 and reads: billed false
	// B has token 2 and reads: billed false
	// A, late: order my-order-id: token 1, the newest is 2: a newer holder has been here
	// B: <nil>
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
