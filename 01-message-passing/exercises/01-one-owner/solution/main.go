// Command conversation has a producer that calls a consumer, and two that call one at once.
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
	alone := &Consumer{takes: takes}
	produce(alone.Elaborate)
	fmt.Printf("the producer waited %.1f s, and did nothing else\n", time.Since(began).Seconds())

	shared := &Consumer{takes: takes}
	mailbox := make(chan message)
	var owner, producers sync.WaitGroup
	owner.Go(func() {
		for m := range mailbox {
			m.reply <- shared.Elaborate(m.a, m.b)
		}
	})
	for range 2 {
		producers.Go(func() { produce(askThrough(mailbox)) })
	}
	producers.Wait()
	close(mailbox)
	owner.Wait() // only now may we read the counter
	fmt.Printf("sent %d, counted %d, lost %d\n", 6, shared.counter, 6-shared.counter)
	return nil
}

func produce(elaborate func(a, b int) int) {
	for i := 1; i <= 3; i++ {
		fmt.Printf("Counter: %d with result: %d\n", i, elaborate(i, i))
	}
}

type message struct {
	a, b  int
	reply chan int
}

// askThrough sends a message and waits for its reply.
func askThrough(mailbox chan<- message) func(a, b int) int {
	return func(a, b int) int {
		reply := make(chan int)
		mailbox <- message{a, b, reply}
		return <-reply
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
