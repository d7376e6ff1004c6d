// Package atmost makes many calls, and not all at once.
package atmost

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Each calls do for 0 to n-1, at most so many at the same time, and returns the first error once all
// that it has begun have ended.
func Each(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := 0; i < n && within.Err() == nil; i++ {
		group.Go(func() error { // waits until there is room
			if within.Err() != nil {
				return nil // another one has failed meanwhile, or ctx has ended
			}
			return do(within, i)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
