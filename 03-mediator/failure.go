package mediator

import (
	"errors"
	"slices"
	"strings"
)

// Need says what a handler's failure means for the event.
type Need int

const (
	// Essential: without this handler's part the event has come to nothing.
	// It is the default, as forgetting to think must be safe.
	Essential Need = iota
	// BestEffort: its part can be made good later. Its failure is returned and
	// logged as any other, and the event stands.
	BestEffort
)

// ErrNotTold is the outcome of a handler that never heard of the event, because
// another one had failed before it.
var ErrNotTold = errors.New("was not told")

// Failure is what went wrong with one handler.
type Failure struct {
	Handler string
	Need    Need
	Err     error
}

func (f *Failure) Error() string { return f.Handler + ": " + f.Err.Error() }

// Unwrap returns the handler's own error, for [errors.Is] and [errors.As].
func (f *Failure) Unwrap() error { return f.Err }

// PublishError is the outcome of an event that not every handler has done its
// part for: every failure, in the order of subscription, and who has done it all
// the same. With both of them not empty the event is done by half, and nothing
// in this step takes the half back.
type PublishError struct {
	Failures []*Failure
	Done     []string
}

// Error names every failure in one line.
func (e *PublishError) Error() string {
	var all []string
	for _, f := range e.Failures {
		all = append(all, f.Error())
	}
	return strings.Join(all, "; ")
}

// Unwrap returns the failures: [errors.Is] finds the error of every handler.
func (e *PublishError) Unwrap() []error {
	var all []error
	for _, f := range e.Failures {
		all = append(all, f)
	}
	return all
}

// Essential says whether the failure of an essential handler is among them.
func (e *PublishError) Essential() bool {
	for _, f := range e.Failures {
		if f.Need == Essential {
			return true
		}
	}
	return false
}

// join returns nil when every outcome is.
func join[E any](handlers []subscription[E], outcomes []error) error {
	if !slices.ContainsFunc(outcomes, func(err error) bool { return err != nil }) {
		return nil
	}
	var e PublishError
	for i, err := range outcomes {
		if err == nil {
			e.Done = append(e.Done, handlers[i].name)
			continue
		}
		e.Failures = append(e.Failures, &Failure{handlers[i].name, handlers[i].need, err})
	}
	return &e
}
