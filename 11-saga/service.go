package saga

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Decision is what a service has decided for an order.
type Decision string

// A service decides once, and then repeats itself.
const (
	Undecided Decision = ""
	Done      Decision = "done"
	Refused   Decision = "refused"
	Undone    Decision = "undone"
)

// Business is the part of a service that is its own. Its functions run in the
// transaction of the command; the schema they see is the service's.
type Business struct {
	Name string
	// Amount is what the order moves: cents, pieces, parcels.
	Amount func(shop.Order) int64
	// Do returns why the service says no, or "". It must change nothing then.
	Do func(context.Context, pgx.Tx, shop.Order) (refusal string, err error)
	// Undo returns why the effect cannot be taken back, or "".
	Undo func(context.Context, pgx.Tx, Message) (problem string, err error)

	DoIt, Yes, No           Kind // the command, and its two answers
	UndoIt, Taken, CannotDo Kind // the compensation, and its answers
}

// Next is all that a service must know to take commands that come twice, late, or
// in the wrong order: it is idempotent by order, whatever the message.
//
// The line that is easily forgotten is the undo for an order that is Undecided.
// The command may still be on its way: it must find the order Undone, and be
// refused. (The literature on try-confirm-cancel calls it a null compensation,
// and the late command a suspension.)
func (d Decision) Next(undo bool, refuses bool) (next Decision, effect int) {
	switch {
	case !undo && d == Undecided && refuses:
		return Refused, 0
	case !undo && d == Undecided:
		return Done, +1
	case undo && d == Done:
		return Undone, -1
	case undo && d == Undecided:
		return Undone, 0
	default:
		return d, 0
	}
}

// RunService runs a service until ctx ends.
func RunService(ctx context.Context, s Settings, business Business) error {
	p, err := newParticipant(ctx, business.Name, s)
	if err != nil {
		return err
	}
	return p.run(ctx, (&service{p, business, commands(p.variant, business)}).handle)
}

type service struct {
	*participant
	Business
	undoes map[Kind]bool // what the service reacts to: does it undo?
}

// handle is one transaction: the inbox, the decision, the effect, the answer.
func (s *service) handle(ctx context.Context, m Message) error {
	undo, known := s.undoes[m.Kind]
	if !known {
		slog.WarnContext(ctx, "nothing to do for this message", "kind", m.Kind)
		return nil
	}
	command := s.DoIt
	if undo {
		command = s.UndoIt
	}
	if err := shop.Work(ctx, shop.Order{ID: m.Order.ID}, s.settings.Work); err != nil {
		return err
	}
	point := func() string { return string(command) }
	said := Kind("")
	err := s.transact(ctx, point, func(tx pgx.Tx) ([]Message, error) {
		if s.variant.notIdempotent && !undo {
			said = s.Yes
			return s.blindly(ctx, tx, m)
		}
		if err := s.seen(ctx, tx, m); err != nil {
			return nil, err
		}
		out, err := s.decide(ctx, tx, m, undo)
		if err == nil {
			said = out[0].Kind
		}
		return out, err
	})
	if errors.Is(err, errSeen) {
		slog.InfoContext(ctx, "came again", "message", m.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s of order %s: %w", command, m.Order.ID, err)
	}
	slog.InfoContext(ctx, string(said), "order", m.Order.ID)
	return nil
}

func (s *service) decide(
	ctx context.Context, tx pgx.Tx, m Message, undo bool,
) ([]Message, error) {
	was, reason, err := s.decision(ctx, tx, m.Order.ID)
	if err != nil {
		return nil, err
	}
	refusal := ""
	switch {
	case was == Undecided && !undo:
		refusal, err = s.Do(ctx, tx, m.Order)
	case was == Done && undo:
		refusal, err = s.Undo(ctx, tx, m)
	}
	if err != nil {
		return nil, err
	}
	if undo && refusal != "" {
		return []Message{m.answer(s.CannotDo, refusal)}, nil
	}
	now, effect := was.Next(undo, refusal != "")
	if refusal != "" {
		reason = refusal
	}
	if err := s.record(ctx, tx, m.Order, now, reason, int64(effect)); err != nil {
		return nil, err
	}
	return s.say(m, undo, now, reason), nil
}

// say repeats the decision, also to those who ask again.
func (s *service) say(m Message, undo bool, now Decision, reason string) []Message {
	switch {
	case undo:
		return []Message{m.answer(s.Taken, m.Reason)}
	case now == Done:
		return []Message{m.answer(s.Yes, "")}
	case reason == "":
		reason = "it was called off before it came"
	}
	return []Message{m.answer(s.No, reason)}
}

// decision makes sure that there is a row and locks it: two commands for one
// order wait for each other.
func (s *service) decision(
	ctx context.Context, tx pgx.Tx, order string,
) (d Decision, reason string, err error) {
	if _, err = tx.Exec(ctx, `INSERT INTO decisions (order_id, status, reason)
		VALUES ($1, '', '') ON CONFLICT DO NOTHING`, order); err != nil {
		return "", "", fmt.Errorf("decisions: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT status, reason FROM decisions
		WHERE order_id = $1 FOR UPDATE`, order).Scan(&d, &reason)
	return d, reason, err
}

func (s *service) record(
	ctx context.Context, tx pgx.Tx, order shop.Order, now Decision, reason string, sign int64,
) error {
	if _, err := tx.Exec(ctx, `UPDATE decisions SET status = $2, reason = $3
		WHERE order_id = $1`, order.ID, now, reason); err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	if sign == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO journal (order_id, amount) VALUES ($1, $2)`,
		order.ID, sign*s.Amount(order))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// blindly is the wrong variant: no inbox, and no look at what was decided.
func (s *service) blindly(ctx context.Context, tx pgx.Tx, m Message) ([]Message, error) {
	if _, _, err := s.decision(ctx, tx, m.Order.ID); err != nil {
		return nil, err
	}
	refusal, err := s.Do(ctx, tx, m.Order)
	if err != nil {
		return nil, err
	}
	now, effect := Undecided.Next(false, refusal != "")
	if err := s.record(ctx, tx, m.Order, now, refusal, int64(effect)); err != nil {
		return nil, err
	}
	return s.say(m, false, now, refusal), nil
}
