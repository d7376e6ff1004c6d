package grid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"course.example/shop"
)

// Worker is one of the machines. It does one unit at a time.
type Worker struct {
	Name, URL string        // its own name, which no other has; of the coordinator
	Work      time.Duration // how much longer than this machine it takes for a unit
	Poll      time.Duration // between two questions when there is nothing to do
	Cheat     bool
	HTTP      *http.Client
}

const (
	// keep is how long it tries to hand a result in, drainIn how much longer than it was
	// asked to end it stays for the unit in its hand. Afterwards the lease ends.
	keep    = time.Minute
	drainIn = 5 * time.Second

	maxExponent = 10_000_000 // a test of more fits in no lease
)

// Run does units until ctx ends, and then the one that it has begun.
func (w *Worker) Run(ctx context.Context) error {
	slower := backoff.NewExponentialBackOff()
	slower.InitialInterval, slower.MaxInterval = 50*time.Millisecond, time.Second
	for ctx.Err() == nil {
		unit, err := w.take(ctx)
		switch {
		case errors.Is(err, ErrBanned):
			slog.ErrorContext(ctx, "stopped working: a person must look at this machine",
				"error", err)
			<-ctx.Done()
		case errors.Is(err, ErrNothing):
			slower.Reset()
			pause(ctx, w.Poll)
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "got no unit; asking again", "error", err)
			pause(ctx, slower.NextBackOff())
		case err == nil:
			slower.Reset()
			w.do(ctx, unit)
		}
	}
	return nil
}

// do computes a unit and tells what has come of it. Where it cannot, the lease ends, and
// somebody else gets the unit.
func (w *Worker) do(ctx context.Context, u Unit) {
	ctx, cancel := outlive(ctx, drainIn)
	defer cancel()
	shop.Received(ctx, u.Order, u.Attempt, slog.Int("exponent", u.Exponent))
	r, err := w.compute(ctx, u)
	if err == nil {
		err = w.report(ctx, told{Worker: w.Name, Order: u.Order, Result: r})
	}
	if err != nil {
		slog.WarnContext(ctx, "a unit was not done", "order", u.Order, "error", err)
	}
}

func (w *Worker) compute(ctx context.Context, u Unit) (Result, error) {
	if w.Cheat {
		return cheat, nil
	}
	r, err := LucasLehmer(ctx, u.Exponent)
	pause(ctx, w.Work)
	return r, errors.Join(err, ctx.Err())
}

func (w *Worker) take(ctx context.Context) (u Unit, err error) {
	status, err := w.post(ctx, "/units", told{Worker: w.Name}, &u)
	switch {
	case status == http.StatusNoContent:
		return u, ErrNothing
	case status == http.StatusForbidden:
		return u, ErrBanned
	case err == nil && (u.Exponent < 3 || u.Exponent > maxExponent):
		return u, fmt.Errorf("the exponent %d is not from 3 to %d", u.Exponent, maxExponent)
	}
	return u, err
}

// report hands a result in. What is refused once is refused for ever; a coordinator that
// does not answer may have the result already, which does no harm.
func (w *Worker) report(ctx context.Context, t told) error {
	_, err := backoff.Retry(ctx, func() (int, error) {
		status, err := w.post(ctx, "/results", t, nil)
		if status >= 400 && status < 500 {
			err = backoff.Permanent(err)
		}
		return status, err
	}, backoff.WithMaxElapsedTime(keep))
	return err
}
