package saga

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrNotParked: there is nothing to resume.
var ErrNotParked = errors.New("is not parked")

// ResumeParked is [Website.Resume] for a program that is no website.
func ResumeParked(ctx context.Context, s Settings, order string, byHand bool) (int, error) {
	w, err := newWebsite(ctx, s)
	if err != nil {
		return 0, err
	}
	defer shop.Close("the database", w.pool.Close)
	return w.Resume(ctx, order, byHand)
}

// Resume sends every parked saga on, or the one of the given order, and returns
// how many. Call it when what had parked them is mended. With byHand the service
// books what an operator has done in another way, such as a refund by bank transfer.
//
// It writes into the website's outbox: what it asks for survives its end.
func (w *Website) Resume(ctx context.Context, order string, byHand bool) (int, error) {
	kind := Resume
	if w.variant.choreography {
		kind = RefundPayment // there is nobody else to ask
	}
	n := 0
	err := w.transact(ctx, func(ctx context.Context, tx pgx.Tx) (c changes, err error) {
		rows, err := tx.Query(ctx, `SELECT body FROM website.orders
			WHERE state = 'Parked' AND ($1 = '' OR order_id = $1)`, order)
		if err != nil {
			return c, err
		}
		parked, err := pgx.CollectRows(rows, pgx.RowTo[shop.Order])
		if err != nil {
			return c, err
		}
		n = len(parked)
		for _, o := range parked {
			c.send = append(c.send, Message{
				ID: uuid.NewString(), Kind: kind, Order: o, ByHand: byHand})
		}
		return c, nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("resume: %w", explain(err))
	case n == 0 && order != "":
		return 0, fmt.Errorf("order %s %w", order, ErrNotParked)
	}
	slog.InfoContext(ctx, "told to go on", "sagas", n, "by_hand", byHand)
	return n, nil
}
