package mediator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
)

// What can be wrong with a request before anybody has worked on it.
var (
	// ErrNobody: no handler answers requests of this type.
	ErrNobody = errors.New("nobody answers this request")
	// ErrTaken: there is a handler for this type already, and which of two
	// answers would be the right one?
	ErrTaken = errors.New("somebody answers this request already")
)

// Responder answers a request of type Q with an A.
//
// A request differs from an event in who must be there: an event is told to any
// number of handlers, none included, and nobody asks for their answers; a request
// has exactly one handler, and the sender goes on with the answer.
type Responder[Q, A any] func(ctx context.Context, request Q) (A, error)

// post is where requests of type Q are answered.
type post[Q, A any] struct {
	mediator *Mediator
	name     string
	respond  Handler[*letter[Q, A]]
}

// letter carries a request to its handler and brings the answer back: that way a
// call is a call, and all that is true of the handlers of events holds here.
type letter[Q, A any] struct {
	request Q
	answer  A
}

// LogValue is what the request has to say of itself.
func (l *letter[Q, A]) LogValue() slog.Value { return slog.AnyValue(l.request) }

// Respond lets a responder answer every request of type Q. It returns [ErrTaken]
// when there is one.
func Respond[Q, A any](m *Mediator, name string, respond Responder[Q, A]) error {
	kind := reflect.TypeFor[Q]()
	p := &post[Q, A]{m, name, wrap(m, name,
		func(ctx context.Context, l *letter[Q, A]) (err error) {
			l.answer, err = respond(ctx, l.request)
			return err
		})}
	// One step: of two that come at the same moment one is told that it is late.
	if _, taken := m.posts.LoadOrStore(kind, p); taken {
		return fmt.Errorf("%s: %s: %w", name, kind, ErrTaken)
	}
	return nil
}

// Sender sends requests of one type. The zero value is not usable; it is safe
// for concurrent use.
type Sender[Q, A any] struct{ post *post[Q, A] }

// SenderOf returns the sender of requests of type Q, or [ErrNobody] when there is
// no responder for it with answers of type A. Who is missing is found out when
// the program is wired, and not when the first customer asks.
func SenderOf[Q, A any](m *Mediator) (Sender[Q, A], error) {
	kind := reflect.TypeFor[Q]()
	found, _ := m.posts.Load(kind)
	p, ok := found.(*post[Q, A])
	if !ok {
		return Sender[Q, A]{}, fmt.Errorf("%s with an answer of %s: %w",
			kind, reflect.TypeFor[A](), ErrNobody)
	}
	return Sender[Q, A]{p}, nil
}

// Send asks and waits for the answer. Limit, panics and behaviours are the same
// as in [Publisher.Publish]; an error is a [*Failure].
func (s Sender[Q, A]) Send(ctx context.Context, request Q) (A, error) {
	l := &letter[Q, A]{request: request}
	if err := guarded(ctx, s.post.mediator, s.post.respond, l); err != nil {
		var none A
		return none, &Failure{s.post.name, Essential, err}
	}
	return l.answer, nil
}
