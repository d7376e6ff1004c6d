package durable

import (
	"context"
	"fmt"
	"strings"

	saga "course.example/11-saga"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// BlockedDomain is where customers live whom the second release does not serve.
const BlockedDomain = "blocked.test"

// Checked is the saga of the second release: customers are checked before anything is done. A
// saga that the first release has begun has no record of such a step. It must be left to the
// first release, and is: the engine gives a saga only to workers of the version that began it.
func (w *Workflow) Checked(ctx dbos.Context, order shop.Order) (saga.State, error) {
	blocked, err := dbos.RunAsStep(ctx, func(context.Context) (string, error) {
		if strings.HasSuffix(order.UserEmail, "@"+BlockedDomain) {
			return "the customer is blocked", nil
		}
		return "", nil
	}, dbos.WithStepName("customer.check"))
	if err != nil {
		return "", fmt.Errorf("order %s: check the customer: %w", order.ID, err)
	}
	if blocked != "" {
		return w.end(ctx, order, saga.Cancelled, blocked)
	}
	return w.Order(ctx, order)
}

// Patched is the second release for workers that take sagas of both. Patch asks the record: a
// saga that is past this place goes on the old way, any other one goes the new way for good. The
// first release cannot go on with such a one: its workers must be gone by then.
func (w *Workflow) Patched(ctx dbos.Context, order shop.Order) (saga.State, error) {
	isNew, err := dbos.Patch(ctx, "check-customers")
	if err != nil {
		return "", fmt.Errorf("order %s: %w", order.ID, err)
	}
	if !isNew {
		return w.Order(ctx, order)
	}
	return w.Checked(ctx, order)
}

// workflow is the saga as a release has it.
func (w *Workflow) workflow(s Settings) dbos.Workflow[shop.Order, saga.State] {
	switch {
	case s.Release == 1:
		return w.Order
	case variants[s.Variant].patched:
		return w.Patched
	default:
		return w.Checked
	}
}

// version is what the engine knows a release by. Its default is the hash of the program: in the
// lab one program is both releases.
func (s Settings) version() string {
	if variants[s.Variant].pinned {
		return "all-releases"
	}
	return fmt.Sprintf("release-%d", s.Release)
}
