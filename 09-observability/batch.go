package observability

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// batcher does the work for several events at once. Here many traces meet: the work belongs to
// each of them and is a child of none. A span can have one parent and any number of links, so
// the batch has a trace of its own, with a link to every event that is in it.
type batcher struct {
	tracer trace.Tracer
	size   int
	wait   time.Duration
	work   func(context.Context, []Emailed) error

	mu      sync.Mutex
	filling *batch
}

type batch struct {
	events []Emailed
	links  []trace.Link
	done   chan struct{}
	err    error
}

func newBatcher(
	tracer trace.Tracer, size int, wait time.Duration,
	work func(context.Context, []Emailed) error,
) *batcher {
	return &batcher{tracer: tracer, size: size, wait: wait, work: work}
}

// add puts the event into the batch that is being filled and returns when the batch has been
// worked off: its message is acknowledged after the effect, as everywhere.
func (b *batcher) add(ctx context.Context, e Emailed) error {
	b.mu.Lock()
	mine := b.filling
	if mine == nil {
		mine = &batch{done: make(chan struct{})}
		b.filling = mine
		time.AfterFunc(b.wait, func() { b.ship(mine) })
	}
	mine.events = append(mine.events, e)
	mine.links = append(mine.links, trace.LinkFromContext(ctx))
	full := len(mine.events) >= b.size
	b.mu.Unlock()
	if full {
		b.ship(mine)
	}
	<-mine.done
	return mine.err
}

// ship works a batch off, once, whoever comes first: the event that fills it, or the clock.
func (b *batcher) ship(one *batch) {
	b.mu.Lock()
	if b.filling != one {
		b.mu.Unlock()
		return
	}
	b.filling = nil
	b.mu.Unlock()

	ctx, span := b.tracer.Start(context.Background(), "ship parcels", trace.WithNewRoot(),
		trace.WithLinks(one.links...),
		trace.WithAttributes(attribute.Int("parcels", len(one.events))))
	defer span.End()
	if one.err = b.work(ctx, one.events); one.err != nil {
		fail(span, one.err)
	}
	close(one.done)
}
