// Command slide is the slide's: a producer calls a consumer, and two of them call it at once.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(context.Context) error {
	takes, err := time.ParseDuration(cmp.Or(os.Getenv("DELAY"), "1s"))
	if err != nil {
		return err
	}
	began := time.Now()
	produce(&Consumer{takes: takes})
	fmt.Printf("the producer waited %.1f s, and did nothing else\n", time.Since(began).Seconds())

	shared := &Consumer{takes: takes}
	var producers sync.WaitGroup
	for range 2 {
		producers.Go(func() { produce(shared) })
	}
	producers.Wait()
	fmt.Printf("sent %d, counted %d, lost %d\n", 6, shared.counter, 6-shared.counter)
	return nil
}

func produce(consumer *Consumer) {
	for i := 1; i <= 3; i++ {
		fmt.Printf("Counter: %d with result: %d\n", i, consumer.Elaborate(i, i))
	}
}

// Consumer adds what it is sent, and counts its messages.
type Consumer struct {
	takes   time.Duration
	counter int
}

func (c *Consumer) Elaborate(a, b int) int {
	counter := c.counter
	time.Sleep(c.takes)
	c.counter = counter + 1
	return a + b
}
