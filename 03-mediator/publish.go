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
func (p Publisher[E]) Publish(ctx context.Context, event E) (err error) {
	subscribed := p.topic.handlers.Load()
	if subscribed == nil {
		return nil
	}
	m, handlers := p.topic.mediator, *subscribed
	if m.strategy.Parallel {
		return parallel(ctx, m, handlers, event)
	}
	// In sequence, which is the path of every order on which nothing fails. It keeps
	// no account, and catches a panic once for all handlers: at says whose it was.
	// It is no function of its own, as to hand all this on would cost as much as a
	// handler: see BenchmarkPublish.
	at := 0
	defer func() {
		if at == len(handlers) || !m.recovers {
			return // the last one has returned, and a recover costs time
		}
		if panicked := recover(); panicked != nil {
			err = goOn(ctx, m, handlers, event, at, caught(panicked))
		}
	}()
	for i := range handlers {
		at = i
		if err := handlers[i].handle(ctx, event); err != nil {
			return goOn(ctx, m, handlers, event, i, err)
		}
	}
	at = len(handlers)
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
