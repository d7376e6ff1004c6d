package mediator

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handler is told of an event. An event is a fact: a handler may fail to do its
// part, but it cannot undo what has happened.
type Handler[E any] func(ctx context.Context, event E) error

// Mediator knows which handlers want to be told of which type of event, and
// which one answers which type of request. It is what the colleagues know
// instead of each other (Gamma et al., Design Patterns: Mediator).
//
// It is safe for concurrent use.
type Mediator struct {
	strategy   Strategy
	timeout    time.Duration // of one call of one handler; 0 is no limit
	behaviours []Behaviour   // the first is the outermost
	catch      func(*error)  // is deferred around every call of a handler

	topics sync.Map   // by type E: a *topic[E]
	posts  sync.Map   // by type of request Q with answer A: a *post[Q, A]
	mu     sync.Mutex // one subscribes at a time
}

// New returns a mediator without handlers. Each call of a handler may take as
// long as the timeout says, 0 forever, and is wrapped in the behaviours.
func New(s Strategy, timeout time.Duration, behaviours ...Behaviour) *Mediator {
	return &Mediator{
		strategy:   s,
		timeout:    timeout,
		behaviours: behaviours,
		catch:      catchPanic,
	}
}

// topic is everybody who wants to be told of events of type E.
type topic[E any] struct {
	mediator *Mediator
	// handlers is replaced as a whole when one is added, so that publishing
	// reads it without a lock.
	handlers atomic.Pointer[[]subscription[E]]
}

type subscription[E any] struct {
	name   string
	need   Need
	handle Handler[E]
}

// Subscribe lets a handler be told of every event of type E from now on, after
// those that have subscribed before it. The name is for people; need says what
// the handler's failure means for the event.
//
// It is a function because a method of Go cannot have type parameters.
func Subscribe[E any](m *Mediator, name string, need Need, handle Handler[E]) {
	t := topicOf[E](m)
	m.mu.Lock()
	defer m.mu.Unlock()
	after := append(slices.Clone(t.subscribed()),
		subscription[E]{name, need, wrap(m, name, handle)})
	t.handlers.Store(&after)
}

func (t *topic[E]) subscribed() []subscription[E] {
	if all := t.handlers.Load(); all != nil {
		return *all
	}
	return nil
}

// Publisher publishes events of one type. The zero value is not usable; it is
// safe for concurrent use.
type Publisher[E any] struct{ topic *topic[E] }

// PublisherOf returns the publisher of events of type E.
//
// This is where the type is looked up: once, when the program is wired. From
// there on the compiler knows it, and publishing needs no reflection, no map and
// no conversion.
func PublisherOf[E any](m *Mediator) Publisher[E] { return Publisher[E]{topicOf[E](m)} }

func topicOf[E any](m *Mediator) *topic[E] {
	t, _ := m.topics.LoadOrStore(reflect.TypeFor[E](), &topic[E]{mediator: m})
	return t.(*topic[E])
}
