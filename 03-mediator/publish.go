package mediator

import (
	"context"
	"sync"
)

// Strategy is how the handlers of one event are told. The zero value tells them
// in sequence, and every one of them whatever the others do.
type Strategy struct {
	// Parallel tells all of them at once. The publisher waits for the slowest,
	// and not for the sum; the handlers must not depend on each other's order.
	Parallel bool
	// StopAtFirstError tells nobody any more once one has failed, and in
	// parallel ends the context of those who are still at it. It is what a loop
	// with an early return does, and right only where each handler needs the
	// one before it.
	StopAtFirstError bool
}

// Publish tells every handler of the event and returns when all have answered:
// nil when each has done its part, and a [*PublishError] that holds every
// failure otherwise. An event without handlers is nobody's business: nil.
func (p Publisher[E]) Publish(ctx context.Context, event E) error {
	handlers := p.topic.handlers.Load()
	switch {
	case handlers == nil:
		return nil
	case p.topic.mediator.strategy.Parallel:
		return parallel(ctx, p.topic.mediator, *handlers, event)
	default:
		return sequence(ctx, p.topic.mediator, *handlers, event)
	}
}

// sequence is the path of every order on which nothing fails, so it keeps no
// account and catches a panic once for all handlers: i says whose it was.
func sequence[E any](
	ctx context.Context, m *Mediator, handlers []subscription[E], event E,
) (err error) {
	i := 0
	if m.recovers {
		defer func() {
			if i == len(handlers) {
				return // the last one has returned, and a recover costs time
			}
			if p := recover(); p != nil {
				err = goOn(ctx, m, handlers, event, i, caught(p))
			}
		}()
	}
	for ; i < len(handlers); i++ {
		if err := handlers[i].handle(ctx, event); err != nil {
			return goOn(ctx, m, handlers, event, i, err)
		}
	}
	return nil
}

// goOn keeps account from the first failure on, and tells the others.
func goOn[E any](
	ctx context.Context, m *Mediator, handlers []subscription[E], event E,
	failed int, err error,
) error {
	outcomes := make([]error, len(handlers))
	outcomes[failed] = err
	for i := failed + 1; i < len(handlers); i++ {
		if m.strategy.StopAtFirstError {
			outcomes[i] = ErrNotTold
			continue
		}
		outcomes[i] = guarded(ctx, m, handlers[i].handle, event)
	}
	return join(handlers, outcomes)
}

func parallel[E any](
	ctx context.Context, m *Mediator, handlers []subscription[E], event E,
) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	outcomes := make([]error, len(handlers))
	var all sync.WaitGroup
	for i := range handlers {
		outcomes[i] = ErrNotTold // stays if the handler ends its goroutine
		all.Go(func() {
			outcomes[i] = guarded(ctx, m, handlers[i].handle, event)
			if outcomes[i] != nil && m.strategy.StopAtFirstError {
				stop()
			}
		})
	}
	all.Wait()
	return join(handlers, outcomes)
}
