package async

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Future is a value that will be there later, or the error that kept it from
// coming: what C# calls a Task and JavaScript a promise (Baker and Hewitt 1977;
// Liskov and Shrira 1988). Any number of goroutines may use the same one at once.
type Future[T any] struct {
	done   chan struct{} // closed once value and err are there, never before
	value  T
	err    error
	cancel context.CancelFunc
}

// Go starts work and returns at once. The work is given a context that ends
// with ctx or with [Future.Cancel], whichever is first: Go cannot stop a
// goroutine from outside, so work that may take long must watch it.
//
// A panic in the work becomes a [*PanicError]; a goroutine's panic would end the
// whole process otherwise, and no caller could recover it.
func Go[T any](ctx context.Context, work func(context.Context) (T, error)) *Future[T] {
	ctx, cancel := context.WithCancel(ctx)
	f := &Future[T]{done: make(chan struct{}), cancel: cancel}
	go func() {
		// Closing wakes all who wait, and waits for nobody. Sending the value
		// over a channel would need a receiver: see leakyCall in wrong.go.
		defer close(f.done)
		defer cancel()
		f.run(ctx, work)
	}()
	return f
}

// Await waits for the value. When ctx ends first it returns the reason and
// leaves the work alone: giving up waiting is one thing, and [Future.Cancel],
// which gives up the work, is another. Nothing is left behind by either.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	select {
	case <-f.done: // first on its own: what is there is had, however late it is
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// Cancel ends the context of the work. It does not wait for the work to notice,
// and changes nothing when that is done.
func (f *Future[T]) Cancel() { f.cancel() }

// Then calls next with the value of f, and is the future of what that returns.
// When f fails, next is not called and the error is handed on: one place at the
// end of a chain hears of every link.
//
// Then takes f over: when the new future is cancelled, so is f. A future that
// is shared must be awaited instead, which takes nothing over.
//
// It is a function because a method cannot have type parameters of its own, as
// the U here would be (Go 1.26).
func Then[T, U any](
	ctx context.Context, f *Future[T], next func(context.Context, T) (U, error),
) *Future[U] {
	return Go(ctx, func(ctx context.Context) (U, error) {
		defer f.Cancel()
		value, err := f.Await(ctx)
		if err != nil {
			var none U
			return none, err
		}
		return next(ctx, value)
	})
}

// PanicError is what became of a panic in the work of a future.
type PanicError struct {
	Value any    // what the work panicked with
	Stack []byte // where
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ErrExited says that the work ended its goroutine with [runtime.Goexit], as a
// test's FailNow does, and so came to no result.
var ErrExited = errors.New("the work ended its goroutine and has no result")

// run sets value and err, whichever way the work leaves it.
func (f *Future[T]) run(ctx context.Context, work func(context.Context) (T, error)) {
	f.err = ErrExited // stays when work neither returns nor panics
	defer func() {
		// Never nil after a panic: panic(nil) is a *runtime.PanicNilError.
		if r := recover(); r != nil {
			f.err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	f.value, f.err = work(ctx)
}

// Sleep waits for d, or until ctx ends, and then returns the reason. It is
// Task.Delay of C#: the goroutine waits, no thread does.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
