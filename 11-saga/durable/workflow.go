package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	saga "course.example/11-saga"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// step is a command to a service, its good answer, and how it is taken back.
type step struct {
	do, done     saga.Kind
	undo, undone saga.Kind
}

// steps are the saga of an order. The last one is the pivot: once the parcel is on its way the
// order is never taken back.
var steps = []step{
	{saga.ChargePayment, saga.PaymentCharged, saga.RefundPayment, saga.PaymentRefunded},
	{saga.ReserveStock, saga.StockReserved, saga.ReleaseStock, saga.StockReleased},
	{do: saga.ShipOrder, done: saga.OrderShipped},
}

// Workflow is the saga, and what its steps need.
type Workflow struct {
	services *saga.Direct
	orders   *dbos.DataSource
	key      func(dbos.Context) (string, error)
}

// Order is the saga of one order. It is an ordinary function with one rule: run again, it must
// ask for the same steps in the same order. So it reads no clock, draws no lots and changes
// nothing, but in a step, whose answer is kept. An error says that the saga is not at its end:
// the process ends, or another one has taken the saga over.
func (w *Workflow) Order(ctx dbos.Context, order shop.Order) (saga.State, error) {
	key, err := w.key(ctx)
	if err != nil {
		return "", fmt.Errorf("order %s: %w", order.ID, err)
	}
	m := saga.Message{Order: order, Key: key}
	for i, s := range steps {
		answer, err := w.ask(ctx, s.do, m)
		if err != nil {
			return "", err
		}
		if answer.Kind != s.done {
			return w.cancel(ctx, m, steps[:i], answer.Reason)
		}
	}
	return w.end(ctx, order, saga.Accepted, "")
}

// cancel compensates the steps that were done, the last one first.
func (w *Workflow) cancel(
	ctx dbos.Context, m saga.Message, done []step, reason string,
) (saga.State, error) {
	for _, s := range slices.Backward(done) {
		if err := w.takeBack(ctx, m, s); err != nil {
			return "", err
		}
	}
	return w.end(ctx, m.Order, saga.Cancelled, reason)
}

// takeBack compensates one step. If the service cannot, the saga is parked: it sleeps in the
// database until a person tells it to go on, or until it is time to try again.
func (w *Workflow) takeBack(ctx dbos.Context, m saga.Message, s step) error {
	for {
		answer, err := w.ask(ctx, s.undo, m)
		if err != nil || answer.Kind == s.undone {
			return err
		}
		if err := w.note(ctx, m.Order, saga.Parked, answer.Reason); err != nil {
			return err
		}
		m.ByHand, err = dbos.Recv[bool](ctx, resumeTopic, parkedFor)
		if err != nil && !errors.Is(err, dbos.ErrTimeout) {
			return fmt.Errorf("order %s: wait for a person: %w", m.Order.ID, err)
		}
	}
}

const (
	resumeTopic = "resume"  // a bool: has a person done by hand what failed?
	parkedFor   = time.Hour // until a compensation that has failed is tried again
)

// ask gives a command to its service. The process may die between the effect and the record of
// the answer: then the step is done again. The service knows it by the key, which comes from
// the workflow's identity and is the same in every life.
func (w *Workflow) ask(ctx dbos.Context, kind saga.Kind, m saga.Message) (saga.Answer, error) {
	m.Kind = kind
	answer, err := dbos.RunAsStep(ctx, func(ctx context.Context) (saga.Answer, error) {
		return w.services.Ask(ctx, m)
	}, dbos.WithStepName(string(kind)))
	if err != nil {
		return answer, fmt.Errorf("order %s: %s: %w", m.Order.ID, kind, err)
	}
	return answer, nil
}

// note shows the customer where the order is. The order's row is in the engine's database: it
// and the record of the step commit together, which is why this step happens exactly once.
func (w *Workflow) note(
	ctx dbos.Context, order shop.Order, state saga.State, reason string,
) error {
	_, err := dbos.RunAsTransaction(ctx, w.orders,
		func(ctx context.Context, tx dbos.Tx) (bool, error) {
			_, err := tx.Exec(ctx, `UPDATE website.orders
				SET state = $2, reason = $3, version = version + 1,
					moved_at = clock_timestamp(), moved_by = pg_current_xact_id()
				WHERE order_id = $1`, order.ID, string(state), reason)
			return true, err
		}, dbos.WithStepName("note."+string(state)))
	if err != nil {
		return fmt.Errorf("order %s: note %s: %w", order.ID, state, err)
	}
	return nil
}

// end notes the end, and says so. A process that dies right after it says so again in its next
// life: the effect's identity makes it one.
func (w *Workflow) end(
	ctx dbos.Context, order shop.Order, state saga.State, reason string,
) (saga.State, error) {
	if err := w.note(ctx, order, state, reason); err != nil {
		return "", err
	}
	if state == saga.Accepted {
		shop.Processed(ctx, order.ID, slog.String("effect", order.ID))
	} else {
		shop.Failed(ctx, order.ID, reason)
	}
	return state, nil
}
