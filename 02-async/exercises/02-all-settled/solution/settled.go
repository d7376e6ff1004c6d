// Package settled waits for many futures and keeps what became of each.
package settled

import (
	"context"

	async "course.example/02-async"
)

// Outcome is what became of a future: its value, or its error.
type Outcome[T any] struct {
	Value T
	Err   error
}

// AllSettled waits for all futures, or until ctx ends, and returns their outcomes in order.
func AllSettled[T any](ctx context.Context, futures ...*async.Future[T]) []Outcome[T] {
	outcomes := make([]Outcome[T], len(futures))
	for i, f := range futures { // all of them are running: the others go on while we wait for one
		outcomes[i].Value, outcomes[i].Err = f.Await(ctx)
	}
	return outcomes
}
