package score

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms hold microseconds, to three significant figures.
const (
	shortest = 1
	longest  = 60_000_000
	digits   = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(shortest, longest, digits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Only what is longer than a minute is refused, and that counts as a minute.
	_ = h.RecordValue(min(max(d.Microseconds(), shortest), longest))
}

// Attack is what came of an open loop of requests.
type Attack struct {
	Sent, Refused int
	Took          time.Duration
	// Answers are the times to an answer, counted from the moment at which the
	// request was due, not from when it was sent.
	Answers *hdrhistogram.Histogram
	// Late is how long after that moment the generator began each request: what
	// it, or a machine that had no time for it, is to blame for.
	Late *hdrhistogram.Histogram
}

// maxOpen is how many requests may wait for an answer at a time.
const maxOpen = 4_000

// Fire makes requests at a steady rate, which are due whether or not the earlier
// ones have been answered: an open loop. A closed loop, which asks again when it
// has its answer, would ask less often just when the answers are slow, and would
// never see most of the bad times; that is coordinated omission (Gil Tene, "How
// NOT to Measure Latency"). When maxOpen requests are open, the next ones wait,
// and their time counts from the moment at which they were due all the same.
//
// It returns when the last answer is there. Each request is made by one of a growing number of
// goroutines: to start one for each would cost as much as the request.
func Fire(
	ctx context.Context, rate float64, lasts time.Duration,
	request func(ctx context.Context, due time.Time) error,
) Attack {
	f := &firing{
		request: request, due: make(chan time.Time),
		attack: Attack{Answers: newHistogram(), Late: newHistogram()},
	}
	// What is under way is seen to its end, whatever becomes of the run.
	f.ctx = context.WithoutCancel(ctx)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	sent, total := 0, int(rate*lasts.Seconds())
	for i := range total {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		f.fire(due)
		sent++
	}
	took := time.Since(start)
	close(f.due)
	f.group.Wait()
	f.attack.Sent, f.attack.Took = sent, took
	return f.attack
}

// firing is an open loop under way.
type firing struct {
	ctx     context.Context
	request func(context.Context, time.Time) error
	due     chan time.Time
	group   sync.WaitGroup
	workers int // goroutines
	mu      sync.Mutex
	attack  Attack
}

// fire hands a request to a goroutine that is free, or to a new one.
func (f *firing) fire(due time.Time) {
	select {
	case f.due <- due:
		return
	default:
	}
	if f.workers < maxOpen {
		f.workers++
		f.group.Go(f.work)
	}
	f.due <- due
}

func (f *firing) work() {
	for due := range f.due {
		late := time.Since(due)
		err := f.request(f.ctx, due)
		f.record(late, time.Since(due), err)
	}
}

func (f *firing) record(late, took time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	record(f.attack.Late, late)
	if err != nil {
		f.attack.Refused++
		return
	}
	record(f.attack.Answers, took)
}

// Window keeps so many orders open, and places the next when one is done: a closed
// loop, which is how the most that a system can do is found. It is used for
// throughput alone, never for latency.
type Window struct {
	free chan struct{}
	owed atomic.Int64
}

// NewWindow returns a window of that many orders.
func NewWindow(size int) *Window {
	w := &Window{free: make(chan struct{}, size)}
	for range size {
		w.free <- struct{}{}
	}
	return w
}

// Done says that an order has come to its end. It is safe for concurrent use.
func (w *Window) Done() {
	for owed := w.owed.Load(); owed > 0; owed = w.owed.Load() {
		if w.owed.CompareAndSwap(owed, owed-1) {
			return
		}
	}
	select {
	case w.free <- struct{}{}:
	default: // one that was done twice makes no room
	}
}

// Owe says that somebody else has placed an order: the next one that is done makes room
// for none. It is safe for concurrent use.
func (w *Window) Owe() { w.owed.Add(1) }

// refusedPause is how long a customer who was refused waits before the next one.
const refusedPause = 20 * time.Millisecond

// Run places orders until ctx ends, and returns how many were refused.
func (w *Window) Run(ctx context.Context, place func(context.Context) error) int {
	var (
		refused atomic.Int64
		group   sync.WaitGroup
	)
	for {
		select {
		case <-ctx.Done():
			group.Wait()
			return int(refused.Load())
		case <-w.free:
		}
		group.Go(func() {
			if !w.place(ctx, place) {
				refused.Add(1)
			}
		})
	}
}

// RunBy does the same with no more than so many customers at the door at a time. Where
// orders are done faster than they can be placed, the others would pile up there.
func (w *Window) RunBy(
	ctx context.Context, customers int, place func(context.Context) error,
) {
	var group sync.WaitGroup
	for range customers {
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-w.free:
				}
				w.place(ctx, place)
			}
		})
	}
	group.Wait()
}

// place places an order, and says whether it was taken. One that was not makes room for
// the next, after a pause.
func (w *Window) place(ctx context.Context, place func(context.Context) error) bool {
	if err := place(context.WithoutCancel(ctx)); err == nil {
		return true
	}
	select {
	case <-time.After(refusedPause):
	case <-ctx.Done():
	}
	w.Done()
	return false
}
