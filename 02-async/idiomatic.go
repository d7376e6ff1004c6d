package async

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Future is here to be looked at. Go has no such type in its library, because
// goroutines and channels already do what it does; these are the phrases a Go
// programmer would write in its place.

// Channel is one future: a goroutine, and a channel with room for one result.
// The room matters. Without it the goroutine could not end before somebody
// receives, and when the caller gives up nobody does: see leakyCall in wrong.go.
func (p *Producer) Channel(ctx context.Context) error {
	type result struct {
		value int
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := p.Consumer.Elaborate(ctx, 1, 1)
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		if r.err != nil {
			return r.err
		}
		p.print(1, r.value)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Errgroup is All. The group's context ends with the first error, and Wait
// returns that error; unlike All, Wait also waits until every goroutine has
// ended, so that none outlives this function (structured concurrency).
func (p *Producer) Errgroup(ctx context.Context) error {
	var results [2]int
	group, ctx := errgroup.WithContext(ctx)
	for i := range results {
		group.Go(func() (err error) {
			results[i], err = p.Consumer.Elaborate(ctx, i+1, i+1)
			return err
		})
	}
	if err := p.wait(group); err != nil {
		return err
	}
	for i, result := range results {
		p.print(i+1, result)
	}
	return nil
}

func (p *Producer) wait(group *errgroup.Group) error {
	defer p.Line.Waiting("producer")()
	return group.Wait()
}

// Deadline bounds the whole call: the context carries the deadline down to
// whoever waits last, and nobody works for a caller who has gone.
func (p *Producer) Deadline(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result, err := await(ctx, p, p.Consumer.ElaborateAsync(ctx, 1, 1))
	if err != nil {
		return err
	}
	p.print(1, result)
	return nil
}
