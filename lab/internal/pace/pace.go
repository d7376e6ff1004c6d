// Package pace tells how slow the machine is at the moment, compared with itself when it is free.
//
// A limit such as "recovers within 1s" says nothing of a program whose machine is busy with
// something else. So a run measures the machine as well: twice a second it does the same small
// piece of work and looks how long that takes. Alone it always takes the same time. Where other
// programs want the processors, it takes longer by as much as they do for every other program.
package pace

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// piece is how long the work takes on a free machine. It must be longer than the time for
	// which a system lets a program that has slept go first, or nobody is ever in its way.
	piece = 10 * time.Millisecond
	pause = 500 * time.Millisecond
)

// Meter measures until it is stopped.
type Meter struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	took []time.Duration
}

// Start begins to measure. It costs two percent of one processor.
func Start(ctx context.Context) *Meter {
	ctx, cancel := context.WithCancel(ctx)
	m := &Meter{cancel: cancel, done: make(chan struct{})}
	rounds := calibrate()
	go m.run(ctx, rounds)
	return m
}

func (m *Meter) run(ctx context.Context, rounds int) {
	defer close(m.done)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		took := work(rounds)
		m.mu.Lock()
		m.took = append(m.took, took)
		m.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Stop ends the measurement and returns how many times longer than on a free machine the work
// took, in all but the slowest tenth of the cases. It is at least 1. It must be called once.
func (m *Meter) Stop() float64 {
	m.cancel()
	<-m.done
	return slowness(m.took, piece)
}

// Now returns how many times longer than on a free machine the work took in the last seconds, on
// the average.
func (m *Meter) Now() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.took[max(0, len(m.took)-6):]
	var sum time.Duration
	for _, took := range last {
		sum += took
	}
	return max(1, float64(sum)/float64(max(1, len(last)))/float64(piece))
}

func slowness(took []time.Duration, free time.Duration) float64 {
	took = slices.Sorted(slices.Values(took))
	if len(took) == 0 {
		return 1
	}
	slow := took[(len(took)-1)*9/10]
	return max(1, float64(slow)/float64(free))
}

// calibrate returns how many rounds the work has. What a free machine does in a moment is what it
// did at best in many tries: even a busy machine leaves a program alone for a millisecond.
var calibrate = sync.OnceValue(func() int {
	const tries, rounds = 30, 200_000
	best := time.Duration(1<<63 - 1)
	for range tries {
		best = min(best, work(rounds))
	}
	return int(float64(piece) / float64(max(best, 1)) * rounds)
})

// sink keeps the compiler from leaving the work out.
var sink uint64

var working sync.Mutex // two meters of one program are not in each other's way

// work is a piece of computation that always takes the same number of steps.
func work(rounds int) time.Duration {
	working.Lock()
	defer working.Unlock()
	began := time.Now()
	x := sink | 1
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink = x
	return time.Since(began)
}
