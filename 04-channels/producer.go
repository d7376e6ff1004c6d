package channels

import (
	"context"
	"fmt"
	"time"

	"course.example/shop"
)

// retryAfter is when a customer who met a full queue may come again. It is the
// shortest time that the header Retry-After can say.
const retryAfter = time.Second

// Producer puts orders on the queue. It does not know who takes them, nor how
// many do.
type Producer struct{ queue Queue }

// NewProducer returns a producer for the queue.
func NewProducer(queue Queue) *Producer { return &Producer{queue} }

// Place accepts an order by putting it on the queue, and does not wait for its
// work. It is made for [shop.Counter], which answers 202 when it returns nil and
// 503 with Retry-After when it returns that the queue is full.
//
// Accepted means here: it is in the memory of this process. Nothing more.
func (p *Producer) Place(_ context.Context, order shop.Order) error {
	if err := p.queue.Put(order); err != nil {
		err = fmt.Errorf("%w: %d orders wait", err, p.queue.Depth())
		return shop.Unavailable(err, retryAfter)
	}
	return nil
}
