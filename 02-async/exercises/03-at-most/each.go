// Package atmost makes many calls, and not all at once.
package atmost

import "context"

// Each calls do for 0 to n-1, at most so many at the same time, and returns the first error once all
// that it has begun have ended.
func Each(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	return nil
}
