// Command producer makes two asynchronous calls, three ways.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"course.example/shop"
	"go.uber.org/goleak"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	delay, err := time.ParseDuration(cmp.Or(os.Getenv("DELAY"), "1s"))
	if err != nil {
		return err
	}
	elaborateAsync := func(a, b int) <-chan int {
		result := make(chan int)
		go func() { time.Sleep(delay); result <- a + b }()
		return result
	}
	running := goleak.IgnoreCurrent()
	for range 10 { // callers who lose their patience
		select {
		case <-elaborateAsync(1, 1):
		case <-time.After(delay / 100):
		}
	}
	sequence := calls(delay, func() { fmt.Println(<-elaborateAsync(1, 1), <-elaborateAsync(2, 2)) })
	chain := calls(delay, func() {
		last := make(chan int)
		go func() { first := <-elaborateAsync(1, 1); last <- <-elaborateAsync(first, first) }()
		fmt.Println(<-last)
	})
	parallel := calls(delay, func() {
		first, second := elaborateAsync(1, 1), elaborateAsync(2, 2)
		fmt.Println(<-first, <-second)
	})
	fmt.Printf("sequence %.0f ×, chain %.0f ×, parallel %.0f ×\n", sequence, chain, parallel)
	left := fmt.Sprint(goleak.Find(running)) // gives those a moment that are about to end
	fmt.Printf("goroutines left behind: %d\n", strings.Count(left, " in state "))

	bought := shop.Order{UserEmail: "nobody@" + shop.BounceDomain}
	go shop.Work(ctx, bought, delay) // the e-mail is sent in the background
	fmt.Println("the customer is told: thank you, all is well")
	return nil
}

// calls is how long it takes, in calls.
func calls(one time.Duration, way func()) float64 {
	began := time.Now()
	way()
	return time.Since(began).Seconds() / one.Seconds()
}
