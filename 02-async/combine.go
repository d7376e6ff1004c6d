package async

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// All waits for every future and returns the values in the order of its
// arguments. It takes as long as the slowest.
//
// With the first error it is done: it reports that one and cancels the rest,
// whose values nobody can use any more. It does not wait for them to end, since
// work that overlooks its context would hold up the bad news; so they may still
// be finishing when All answers. Task.WhenAll of C# waits for all and joins the
// errors, and Promise.all stops at the first but cannot cancel.
//
// Like [Then], All takes its futures over.
func All[T any](ctx context.Context, futures ...*Future[T]) *Future[[]T] {
	return Go(ctx, func(ctx context.Context) ([]T, error) {
		defer cancelAll(futures)
		values := make([]T, len(futures))
		group, ctx := errgroup.WithContext(ctx)
		for i, f := range futures {
			group.Go(func() (err error) {
				values[i], err = f.Await(ctx)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		return values, nil
	})
}

// ErrNoFutures is what a race of nobody ends with.
var ErrNoFutures = errors.New("a race needs at least one future")

// Race is the future of the first that succeeds, and cancels the losers. When
// all fail it returns all of their errors.
//
// The first to *succeed*, not the first to end: a replica that is down answers
// faster than one that works. In JavaScript that is Promise.any; its
// Promise.race, like Task.WhenAny, would let the broken one win.
//
// Like [Then], Race takes its futures over.
func Race[T any](ctx context.Context, futures ...*Future[T]) *Future[T] {
	return Go(ctx, func(ctx context.Context) (T, error) {
		defer cancelAll(futures)
		type result struct {
			value T
			err   error
		}
		// Room for every result: nobody receives those that come after the
		// winner's, and their goroutines must not wait for that.
		results := make(chan result, len(futures))
		for _, f := range futures {
			go func() {
				value, err := f.Await(ctx)
				results <- result{value, err}
			}()
		}
		errs := []error{}
		for range futures {
			r := <-results
			if r.err == nil {
				return r.value, nil
			}
			errs = append(errs, r.err)
		}
		var none T
		if len(futures) == 0 {
			return none, ErrNoFutures
		}
		if ctx.Err() != nil { // all of them failed for this one reason
			return none, context.Cause(ctx)
		}
		return none, errors.Join(errs...)
	})
}

func cancelAll[T any](futures []*Future[T]) {
	for _, f := range futures {
		f.Cancel()
	}
}
