// Package batches collects orders, so that many of them cost as much as one.
package batches

import (
	"time"

	"course.example/shop"
)

// Batches takes orders until the channel is closed, and sends them in batches of at most so many. No
// order waits for longer than wait before its batch is sent.
func Batches(in <-chan shop.Order, most int, wait time.Duration, send func([]shop.Order)) {
	var batch []shop.Order
	var late <-chan time.Time // nil, which is never ready, while the batch is empty
	flush := func() {
		if len(batch) > 0 {
			send(batch)
		}
		batch, late = nil, nil
	}
	defer flush()
	for {
		select {
		case order, open := <-in:
			if !open {
				return
			}
			if batch = append(batch, order); len(batch) == 1 {
				late = time.After(wait)
			}
			if len(batch) == most {
				flush()
			}
		case <-late:
			flush()
		}
	}
}
