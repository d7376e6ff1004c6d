// Package batches collects orders, so that many of them cost as much as one.
package batches

import (
	"time"

	"course.example/shop"
)

// Batches takes orders until the channel is closed, and sends them in batches of at most so many. No
// order waits for longer than wait before its batch is sent.
func Batches(in <-chan shop.Order, most int, wait time.Duration, send func([]shop.Order)) {
}
