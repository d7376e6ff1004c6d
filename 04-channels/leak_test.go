package channels

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	others := goleak.IgnoreCurrent()
	for name := range queues {
		s := settings(4, 3)
		s.Variant, s.Drain = name, time.Hour // whoever waits for its end is found
		q := NewQueue(s)
		fill(t, q, 4)
		c := NewConsumer(q, s, working(30*time.Millisecond))
		stop, wait := run(t, c)
		reported := make(chan struct{})
		go func() { c.Report(); close(reported) }()
		stop()
		wait()
		<-reported
	}
	goleak.VerifyNone(t, others)
}
