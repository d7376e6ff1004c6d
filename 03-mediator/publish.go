package mediator

import (
	"context"
	"sync"
)

// Strategy tells n handlers of an event, each by a call of tell, and returns what
// became of each.
type Strategy func(ctx context.Context, n int, tell Tell) []error

// Tell tells one handler, of those counted from 0, and returns its error. It does
// not panic.
type Tell func(ctx context.Context, handler int) error

// Sequence tells one after the other, each whatever the others do: the publisher
// waits for the sum.
func Sequence(ctx context.Context, n int, tell Tell) []error {
	outcomes := make([]error, n)
	for i := range outcomes {
		outcomes[i] = tell(ctx, i)
	}
	return outcomes
}

// Parallel tells all at once: the publisher waits for the slowest, and the handlers
// must not depend on each other's order.
func Parallel(ctx context.Context, n int, tell Tell) []error {
	outcomes := make([]error, n)
	var all sync.WaitGroup
	for i := range outcomes {
		outcomes[i] = ErrNotTold // stays if the handler ends its goroutine
		all.Go(func() { outcomes[i] = tell(ctx, i) })
	}
	all.Wait()
	return outcomes
}

// Publish tells every handler of the event and returns when all have answered:
// nil when each has done its part, and a [*PublishError] that holds every
// failure otherwise. An event without handlers is no error.
func (p Publisher[E]) Publish(ctx context.Context, event E) error {
	m, handlers := p.topic.mediator, p.topic.subscribed()
	outcomes := m.strategy(ctx, len(handlers), func(ctx context.Context, i int) error {
		return guarded(ctx, m, handlers[i].handle, event)
	})
	return join(handlers, outcomes)
}
