package score

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/ledger"
)

// meter listens to what becomes of the orders that a bench places.
type meter struct {
	mu sync.Mutex
	// due and done are when an order ought to have been placed, and was processed.
	due    map[string]time.Time
	done   map[string]time.Time
	ended  map[string]bool // processed or given up
	order  []time.Time     // of the first effect of each order
	seen   map[string]bool // processes that have had an order in progress
	window *Window
}

func newMeter() *meter {
	return &meter{
		due: map[string]time.Time{}, done: map[string]time.Time{}, ended: map[string]bool{},
		seen: map[string]bool{},
	}
}

// watch takes an event of the ledger, and what the ledger says that it is.
func (m *meter) watch(e ledger.Event, v ledger.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v == ledger.Delivery || v.Happened() {
		m.seen[e.Process] = true
	}
	if !v.Ends() || m.ended[e.Order] {
		return
	}
	m.ended[e.Order] = true
	if v == ledger.Effect {
		m.done[e.Order] = e.Time
		m.order = append(m.order, e.Time)
	}
	if m.window != nil {
		m.window.Done()
	}
}

// place places an order that was due then.
func (m *meter) place(b *bench.Bench) func(context.Context, time.Time) error {
	return func(ctx context.Context, due time.Time) error {
		id, err := b.PlaceOne(ctx)
		if err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.due[id] = due
		return nil
	}
}

// use sets the window that hears of every order's end; nil for none.
func (m *meter) use(w *Window) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window = w
}

// processed is how long after they were due the orders were processed, of those
// placed since the last call.
func (m *meter) processed() *hdrhistogram.Histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := newHistogram()
	for id, due := range m.due {
		if done, ok := m.done[id]; ok {
			record(h, done.Sub(due))
		}
	}
	clear(m.due)
	return h
}

// count is how many orders have come to an end.
func (m *meter) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ended)
}

// rate is how many effects a second there were in a stretch of time: the slope of the line
// of least squares through their number. An effect in the middle weighs most, and one at
// either end next to nothing, so that it does not matter whether a batch falls just within
// the stretch or just without.
func (m *meter) rate(from, to time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	lasts, sum := to.Sub(from).Seconds(), 0.0
	for _, t := range m.order {
		if at := t.Sub(from).Seconds(); at > 0 && at < lasts {
			sum += 6 * at * (lasts - at)
		}
	}
	return sum / (lasts * lasts * lasts)
}

// processes is how many processes have had an order in progress.
func (m *meter) processes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.seen)
}

// look calls holds every few milliseconds until it is true, and says whether it was
// in time.
func look(ctx context.Context, limit time.Duration, holds func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			return holds()
		case <-ctx.Done():
			return false
		}
	}
	return true
}
