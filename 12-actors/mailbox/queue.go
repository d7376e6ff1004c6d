package main

import "sync"

// mailbox is the queue before an actor. It has no bound, as the model has it:
// with a bound, two actors with full mailboxes that send to each other would
// wait for each other forever. The price is memory, when messages come faster
// than they are handled. Safe for concurrent use.
type mailbox struct {
	mu      sync.Mutex
	arrived *sync.Cond
	orders  []any
	letters []any
}

func newMailbox() *mailbox {
	m := &mailbox{}
	m.arrived = sync.NewCond(&m.mu)
	return m
}

func (m *mailbox) put(letter any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, letter)
	m.arrived.Signal()
}

func (m *mailbox) order(order any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders = append(m.orders, order)
	m.arrived.Signal()
}

// next waits for the next order or, unless only orders count, the next letter.
func (m *mailbox) next(ordersOnly bool) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if len(m.orders) > 0 {
			return take(&m.orders)
		}
		if !ordersOnly && len(m.letters) > 0 {
			return take(&m.letters)
		}
		m.arrived.Wait()
	}
}

func take(queue *[]any) any {
	first := (*queue)[0]
	(*queue)[0] = nil // or the slice would keep it alive
	*queue = (*queue)[1:]
	return first
}
