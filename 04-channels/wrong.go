package channels

import (
	"context"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	queue    func(*Queue)
	consumer func(*Consumer)
}

var variants = map[string]variant{
	"":          {},
	"right":     {},
	"block":     {queue: block},
	"no-drain":  {consumer: noDrain},
	"unbounded": {queue: unbounded},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// unbounded starts a goroutine for an order, which waits until there is room. It
// looks as if it could not fail: nobody is refused, nobody waits.
//
// What goes wrong: the goroutines are the queue now, and nothing bounds them.
// Each costs a stack of 2 KB and more. Memory grows for as long as orders come
// faster than they are processed, and with it grows what a kill takes along.
// Experiment: a burst, then kill -9.
func unbounded(q *Queue) {
	q.send = func(order shop.Order) error {
		q.waiting.Add(1)
		q.senders.Go(func() { // ends when a worker has made room
			q.orders <- order
			q.waiting.Add(-1)
		})
		return nil
	}
}

// block waits until there is room, as a send on a channel does by itself. It is
// the shortest of all ways to write it.
//
// What goes wrong: the handler of the request waits, and the customer with it,
// until the customer gives up. The order goes on the queue all the same, later,
// for somebody who believes that it was not taken. And the queue in front of the
// channel, of handlers and connections, has no bound. Experiment: more orders
// than the workers can do, from customers who give up after two seconds.
func block(q *Queue) {
	q.send = func(order shop.Order) error {
		q.waiting.Add(1)
		defer q.waiting.Add(-1)
		q.orders <- order
		return nil
	}
}

// noDrain ends each worker as soon as the program is asked to end, after the
// order in hand. It looks as it should: nobody hangs, exit code 0.
//
// What goes wrong: what is in the queue was accepted, and is gone with the
// process, without a line. Experiment: a burst, then SIGTERM.
func noDrain(c *Consumer) {
	c.next = func(ctx context.Context) (shop.Order, bool) {
		select {
		case <-ctx.Done():
			return shop.Order{}, false
		default:
		}
		select {
		case <-ctx.Done():
			return shop.Order{}, false
		case order, ok := <-c.queue.Orders():
			return order, ok
		}
	}
}
