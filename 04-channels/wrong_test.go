package channels

import (
	"context"
	"errors"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// Each of these runs the same scene twice: the wrong variant must fail in just
// the way its comment says, and the right one must not.

// Not parallel: it measures the memory of the whole process.
func TestWrongUnboundedGrowsWithTheBurst(t *testing.T) {
	const burst = 20_000
	for variant, red := range map[string]bool{"unbounded": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			s := settings(64, 1)
			s.Variant = variant
			q := NewQueue(s)
			debug.FreeOSMemory() // what an earlier test has left
			before, refused := memory(), 0
			for range burst {
				if errors.Is(q.Put(newOrder(t)), ErrFull) {
					refused++
				}
			}
			depth, grown := q.Depth(), (float64(memory())-float64(before))/(1<<20)
			t.Logf("%d orders at once: depth %d, refused %d, memory %+.1f MB",
				burst, depth, refused, grown)
			// A stack of 2 KB for each of those in front of the channel.
			if (depth == burst) != red || (grown > 30) != red || (refused == 0) != red {
				t.Errorf("the variant is wrong: %v, and that is not what it shows", red)
			}
			go q.Close()
			for range q.Orders() { // let the goroutines go
			}
			if depth := q.Depth(); depth != 0 {
				t.Errorf("depth %d of an empty queue", depth)
			}
		})
	}
}

func TestWrongBlockKeepsTheCustomerWaiting(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"block": true, "right": false} {
		synctest.Test(t, func(t *testing.T) {
			s := settings(2, 1)
			s.Variant = variant
			q := NewQueue(s)
			fill(t, q, 2)
			// The customer waits for two seconds. A worker comes after ten.
			customer, leave := context.WithTimeout(t.Context(), 2*time.Second)
			defer leave()
			late := newOrder(t)
			answered := make(chan error, 1)
			go func() { answered <- NewProducer(q).Place(customer, late) }()
			var err error
			waits := false
			select {
			case err = <-answered:
			case <-customer.Done():
				waits = true
			}
			if waits != red || !red && !errors.Is(err, ErrFull) {
				t.Errorf("%s: left without an answer: %v, error %v", variant, waits, err)
			}
			time.Sleep(8 * time.Second)
			stop, wait := run(t, NewConsumer(q, s, working(time.Second)))
			if red {
				if err := <-answered; err != nil {
					t.Errorf("the order of the one who has left: %v", err)
				}
			}
			stop()
			wait()
			// It is done for a customer who believes that it was not taken.
			if n := lines.count(shop.MsgProcessed, []string{late.ID}); (n == 1) != red {
				t.Errorf("%s: the order was processed %d times", variant, n)
			}
		})
	}
}

func TestWrongNoDrainLosesTheQueue(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"no-drain": true, "right": false} {
		synctest.Test(t, func(t *testing.T) {
			s := settings(10, 2)
			s.Variant = variant
			q := NewQueue(s)
			ids := fill(t, q, 10)
			stop, wait := run(t, NewConsumer(q, s, working(500*time.Millisecond)))
			synctest.Wait() // two are in progress
			stop()
			wait()
			ended := lines.count(shop.MsgProcessed, ids) + lines.count(shop.MsgFailed, ids)
			if lost := len(ids) - ended; (lost > 0) != red || red && lost != 8 {
				t.Errorf("%s: %d of %d orders were lost", variant, lost, len(ids))
			}
		})
	}
}
