// Package retry has a behaviour that calls a failed handler once more.
package retry

import (
	"context"
	"errors"
	"slices"

	mediator "course.example/03-mediator"
	"course.example/shop"
)

// Once returns a behaviour that calls a handler of one of these names a second time when it has
// failed and may do better.
func Once(handlers ...string) mediator.Behaviour {
	return func(ctx context.Context, c mediator.Call, next func(context.Context) error) error {
		err := next(ctx)
		if err == nil || !slices.Contains(handlers, c.Handler) || ctx.Err() != nil || stays(err) {
			return err
		}
		return next(ctx)
	}
}

// stays says that a second call would fail in the same way.
func stays(err error) bool {
	bug := new(mediator.PanicError)
	return errors.Is(err, shop.ErrBounced) || errors.As(err, &bug)
}
