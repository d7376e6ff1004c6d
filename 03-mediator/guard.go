package mediator

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// ErrTimeout is the failure of a handler that took longer than it may.
var ErrTimeout = errors.New("took longer than it may")

// guarded calls a handler and turns its panic into its error, so that a handler
// cannot harm more than its own part.
func guarded[E any](
	ctx context.Context, m *Mediator, handle Handler[E], event E,
) (err error) {
	defer m.catch(&err)
	return handle(ctx, event)
}

// catchPanic must itself be deferred: recover works nowhere else.
func catchPanic(err *error) {
	if p := recover(); p != nil {
		*err = caught(p)
	}
}

// limited ends the context of a handler after the limit. It does not end the
// handler: nothing in Go can stop a goroutine from outside. A handler that does
// not look at its context takes the time it takes, and its publisher waits for
// it. The other way out, to go on without it, would leave a goroutine behind that
// does something nobody wants any more.
func limited[E any](limit time.Duration, handle Handler[E]) Handler[E] {
	return func(ctx context.Context, event E) error {
		within, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
		defer cancel()
		err := handle(within, event)
		// A deadline that the handler has set itself, or its caller, is not ours.
		if errors.Is(err, context.DeadlineExceeded) && context.Cause(within) == ErrTimeout {
			return fmt.Errorf("%w: %s: %w", ErrTimeout, limit, err)
		}
		return err // nil, too, if it was done after the limit: done is done
	}
}

// PanicError is the failure of a handler that panicked.
type PanicError struct {
	Value any
	At    string // file and line
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("panicked at %s: %v", e.At, e.Value)
}

// Unwrap returns what the handler panicked with if that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error) // nil, rightly, for any other value
	return err
}

// caught must be called while the deferred function that has recovered is running:
// the frames of the panic are on the stack only until that returns.
func caught(value any) error {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			file := frame.File[strings.LastIndexByte(frame.File, '/')+1:]
			return &PanicError{value, fmt.Sprintf("%s:%d", file, frame.Line)}
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return &PanicError{value, "an unknown place"}
		}
	}
}
