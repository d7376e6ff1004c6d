package channels

import (
	"errors"
	"sync"

	"course.example/shop"
)

// Why an order was not put on the queue.
var (
	ErrFull   = errors.New("the queue is full")
	ErrClosed = errors.New("the shop is closing")
)

// Queue is what lies between the producer and the workers. It is safe for
// concurrent use.
type Queue interface {
	// Put puts an order on the queue, or returns [ErrFull] or [ErrClosed].
	Put(order shop.Order) error
	// Orders is where the workers take from. A channel gives every order to exactly
	// one of those who range over it: they compete, without knowing of each other.
	Orders() <-chan shop.Order
	// Close ends the queue: nothing goes in any more, and Orders ends once what is
	// in it has been taken out. Calling it again does nothing.
	Close()
	// Depth is how many orders are in the queue at this moment.
	Depth() int
	// Capacity is how many there can be.
	Capacity() int
}

// Bounded is a bounded channel of orders, with an orderly end.
//
// The bound is the point. A queue evens out a rush that passes; a rush that does
// not pass fills any queue, and then somebody must be told. Better the customer,
// now, than the operator of a machine without memory.
type Bounded struct {
	orders chan shop.Order

	// A send on a closed channel panics, so whoever closes must know that nobody
	// sends any more. Senders share this lock, Close has it alone.
	mu     sync.RWMutex
	closed bool
}

// NewBounded returns a queue that holds so many orders.
func NewBounded(capacity int) *Bounded {
	return &Bounded{orders: make(chan shop.Order, capacity)}
}

// Put never waits. That is backpressure in six lines: select takes the default
// when the channel has no room.
func (q *Bounded) Put(order shop.Order) error {
	return q.whileOpen(func() error {
		select {
		case q.orders <- order:
			return nil
		default:
			return ErrFull
		}
	})
}

func (q *Bounded) whileOpen(put func() error) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return ErrClosed
	}
	return put()
}

// Close ends the queue, and keeps what is in it.
func (q *Bounded) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.orders)
	}
}

// Orders is the channel itself.
func (q *Bounded) Orders() <-chan shop.Order { return q.orders }

// Depth is at most Capacity.
func (q *Bounded) Depth() int { return len(q.orders) }

// Capacity is how many orders the channel holds.
func (q *Bounded) Capacity() int { return cap(q.orders) }
