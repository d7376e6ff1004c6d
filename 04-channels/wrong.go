package channels

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"course.example/shop"
)

// queues are the right way to make a queue, and the wrong ones.
var queues = map[string]func(capacity int) Queue{
	"":          right,
	"right":     right,
	"block":     func(n int) Queue { return &Blocking{Bounded: NewBounded(n)} },
	"no-drain":  func(n int) Queue { return NewUndrained(n) },
	"unbounded": func(n int) Queue { return &Unbounded{Bounded: NewBounded(n)} },
}

func right(capacity int) Queue { return NewBounded(capacity) }

// NewQueue returns the queue of the variant that the settings name.
func NewQueue(s Settings) Queue { return queues[s.Variant](s.Queue) }

func variantNames() string {
	names := slices.Sorted(maps.Keys(queues))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// Unbounded starts a goroutine for an order, which waits until there is room. It
// looks as if it could not fail: nobody is refused, nobody waits.
//
// What goes wrong: the goroutines are the queue now, and nothing bounds them.
// Memory grows for as long as orders come faster than they are processed, and
// with it grows what a kill takes along. A list without a bound would grow, too,
// only slower: see BenchmarkWaiting. Experiment: a burst, then kill -9.
type Unbounded struct {
	*Bounded
	waiting atomic.Int64
	senders sync.WaitGroup
}

// Put takes every order.
func (q *Unbounded) Put(order shop.Order) error {
	return q.whileOpen(func() error {
		q.waiting.Add(1)
		q.senders.Go(func() { // ends when a worker has made room
			q.orders <- order
			q.waiting.Add(-1)
		})
		return nil
	})
}

// Close waits until the workers have made room for all.
func (q *Unbounded) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.senders.Wait()
		close(q.orders)
	}
}

// Depth counts those in front of the channel, too.
func (q *Unbounded) Depth() int { return q.Bounded.Depth() + int(q.waiting.Load()) }

// Blocking waits until there is room, as a send on a channel does by itself. It is
// the shortest of all ways to write it.
//
// What goes wrong: the handler of the request waits, and the customer with it,
// until the customer gives up. The order goes on the queue all the same, later,
// for somebody who believes that it was not taken. And the queue in front of the
// channel, of handlers and connections, has no bound. Experiment: more orders
// than the workers can do, from customers who give up after two seconds.
type Blocking struct {
	*Bounded
	waiting atomic.Int64
}

// Put returns when a worker has made room.
func (q *Blocking) Put(order shop.Order) error {
	return q.whileOpen(func() error {
		q.waiting.Add(1)
		defer q.waiting.Add(-1)
		q.orders <- order
		return nil
	})
}

// Depth counts those in front of the channel, too.
func (q *Blocking) Depth() int { return q.Bounded.Depth() + int(q.waiting.Load()) }

// Undrained hands the orders on until the shop closes, as every stage of a pipeline
// does that can be cancelled. It looks as it should: nobody hangs, exit code 0.
//
// What goes wrong: what is in the queue was accepted, and is gone with the
// process, without a line. Experiment: a burst, then SIGTERM.
type Undrained struct {
	*Bounded
	closing chan struct{}
	out     chan shop.Order
}

// NewUndrained returns a queue that hands orders on until it is closed.
func NewUndrained(capacity int) *Undrained {
	q := &Undrained{NewBounded(capacity), make(chan struct{}), make(chan shop.Order)}
	go q.handOn()
	return q
}

func (q *Undrained) handOn() {
	defer close(q.out)
	for {
		select {
		case order := <-q.orders:
			select {
			case q.out <- order:
			case <-q.closing:
				return
			}
		case <-q.closing:
			return
		}
	}
}

// Close ends the workers, whatever is in the queue.
func (q *Undrained) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
}

// Orders ends when the queue is closed.
func (q *Undrained) Orders() <-chan shop.Order { return q.out }
