package channels

import (
	"errors"
	"sync"
	"sync/atomic"

	"course.example/shop"
)

// Why an order was not put on the queue.
var (
	ErrFull   = errors.New("the queue is full")
	ErrClosed = errors.New("the shop is closing")
)

// Queue is a bounded channel of orders, with an orderly end. It is safe for
// concurrent use.
//
// The bound is the point. A queue evens out a rush that passes; a rush that does
// not pass fills any queue, and then somebody must be told. Better the customer,
// now, than the operator of a machine without memory.
type Queue struct {
	orders chan shop.Order

	// A send on a closed channel panics, so whoever closes must know that nobody
	// sends any more. Senders share this lock, Close has it alone.
	mu     sync.RWMutex
	closed bool

	// What the wrong variants change and need. In the right one nobody waits in
	// front of the channel.
	send    func(shop.Order) error
	waiting atomic.Int64
	senders sync.WaitGroup
}

// NewQueue returns a queue that holds up to Settings.Queue orders.
func NewQueue(settings Settings) *Queue {
	q := &Queue{orders: make(chan shop.Order, settings.Queue)}
	q.send = q.trySend
	if change := variants[settings.Variant].queue; change != nil {
		change(q)
	}
	return q
}

// Put puts an order on the queue, and returns [ErrFull] or [ErrClosed] when it
// cannot. It never waits.
func (q *Queue) Put(order shop.Order) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return ErrClosed
	}
	return q.send(order)
}

// trySend is backpressure in six lines: select takes the default when the
// channel has no room.
func (q *Queue) trySend(order shop.Order) error {
	select {
	case q.orders <- order:
		return nil
	default:
		return ErrFull
	}
}

// Close ends the queue: nothing goes in any more, and Orders ends once what is
// in it has been taken out. Calling it again does nothing.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.senders.Wait()
		close(q.orders)
	}
}

// Orders is where the workers take from. A channel gives every order to exactly
// one of those who range over it: they compete, without knowing of each other.
func (q *Queue) Orders() <-chan shop.Order { return q.orders }

// Depth is how many orders are in the queue at this moment.
func (q *Queue) Depth() int { return len(q.orders) + int(q.waiting.Load()) }

// Capacity is how many there can be.
func (q *Queue) Capacity() int { return cap(q.orders) }
