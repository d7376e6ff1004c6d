package mediator

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Behaviour wraps every call of every handler, of events and of requests: what
// concerns all of them is written once. It does something, calls next, and does
// something else; it may also not call next at all. MediatR calls it a pipeline
// behaviour, an HTTP server middleware.
//
// It is a plain function and not a generic one, so that one behaviour serves all
// types of messages. The price is some memory for each call (see the benchmark):
// next must carry the message, whose type the behaviour does not know.
type Behaviour func(ctx context.Context, c Call, next func(context.Context) error) error

// Call is what a behaviour may know of the call that it wraps. The message is
// there to be logged: its type is the handler's business.
type Call struct {
	Handler string
	Message any
}

// Logging says of every call whether the handler has done its part, or why not.
func Logging(ctx context.Context, c Call, next func(context.Context) error) error {
	// A message that is a slog.LogValuer says itself what is worth a line; with
	// an empty key its attributes stand beside the others.
	about := slog.Any("", c.Message)
	err := next(ctx)
	if err != nil {
		slog.ErrorContext(ctx, "handler failed", about, "handler", c.Handler, "reason", err)
		return err
	}
	slog.DebugContext(ctx, "handler did its part", about, "handler", c.Handler)
	return nil
}

// Timing says of every call how long it took.
func Timing(ctx context.Context, c Call, next func(context.Context) error) error {
	began := time.Now()
	defer func() { // so that a panic on its way up is timed, too
		slog.InfoContext(ctx, "handler returned", slog.Any("", c.Message),
			"handler", c.Handler, "took", time.Since(began))
	}()
	return next(ctx)
}

// wrap puts the time limit and the behaviours around a handler, the first one
// outermost. It does so when the handler subscribes, once, and not for every
// event.
func wrap[E any](m *Mediator, name string, handle Handler[E]) Handler[E] {
	if m.timeout > 0 {
		handle = limited(m.timeout, handle)
	}
	if len(m.behaviours) == 0 {
		return handle
	}
	// The behaviours must see a panic as an error like any other. Whoever calls
	// what this returns guards it once more: behaviours are code, too.
	bare := handle
	handle = func(ctx context.Context, event E) error {
		return guarded(ctx, m, bare, event)
	}
	for _, behaviour := range slices.Backward(m.behaviours) {
		inner := handle
		handle = func(ctx context.Context, event E) error {
			return behaviour(ctx, Call{name, event}, func(ctx context.Context) error {
				return inner(ctx, event)
			})
		}
	}
	return handle
}
