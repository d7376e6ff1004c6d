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
	return nil
}
