package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Store keeps the sagas. There are two: Postgres, and memory to compare it with.
type Store interface {
	// Apply loads the saga of m's order, lets fire change it, and saves it with
	// the messages that fire returned and with m's ID, all or nothing. It returns
	// errSeen for an ID that is known.
	Apply(ctx context.Context, m Message, fire func(*Saga) ([]Message, error)) error
	// Due returns a Timeout for every saga whose deadline has passed.
	Due(context.Context) ([]Message, error)
}

// Orchestrator leads sagas. It has no memory between two messages: whichever
// orchestrator gets a message loads the saga, moves it and saves it. That is why
// there can be several.
type Orchestrator struct {
	store Store
	rules Rules
}

// RunOrchestrator runs an orchestrator until ctx ends.
func RunOrchestrator(ctx context.Context, s Settings) error {
	if variants[s.Variant].choreography {
		shop.Ready(ctx, slog.String("variant", s.Variant),
			slog.String("to_do", "nothing: in a choreography nobody leads"))
		<-ctx.Done()
		return nil
	}
	p, err := newParticipant(ctx, "orchestrator", s)
	if err != nil {
		return err
	}
	o := &Orchestrator{&tables{p}, s.rules()}
	return p.run(ctx, o.Handle, func(ctx context.Context) error {
		return o.watch(ctx, min(s.StepTimeout/4, longestLook))
	})
}

// Handle moves a saga by one message.
func (o *Orchestrator) Handle(ctx context.Context, m Message) error {
	var saga Saga
	moved := false
	err := o.store.Apply(ctx, m, func(s *Saga) ([]Message, error) {
		before := s.Version
		out, err := s.Fire(m, o.rules)
		saga, moved = *s, s.Version > before
		return out, err
	})
	switch {
	case errors.Is(err, errSeen):
		slog.DebugContext(ctx, "came again", "message", m.ID)
		return nil
	case err != nil:
		return err
	case !moved:
		slog.InfoContext(ctx, "too late or too early", "order", m.Order.ID,
			"message", m.Kind, "state", saga.State)
	case saga.State == Parked:
		// The alarm. A saga that is parked waits for a person.
		slog.ErrorContext(ctx, "saga parked: mend what is wrong, then resume it",
			"order", m.Order.ID, "in", saga.ParkedIn, "reason", saga.Reason, "parked", 1)
	default:
		slog.InfoContext(ctx, "saga moved", "order", m.Order.ID, "by", m.Kind,
			"to", saga.State, "attempt", saga.Attempts)
	}
	return nil
}

// longestLook is the longest pause between two looks for deadlines, and so the
// longest time by which one is late.
const longestLook = 500 * time.Millisecond

// watch looks for deadlines that have passed. The deadline is in the table with
// the state: it survives the orchestrator that set it.
func (o *Orchestrator) watch(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(max(every, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		var due []Message
		err := patiently(ctx, "look for deadlines", func(ctx context.Context) (err error) {
			due, err = o.store.Due(ctx)
			return err
		})
		for _, m := range due {
			err = errors.Join(err, patiently(ctx, "deadline", func(ctx context.Context) error {
				return o.Handle(ctx, m)
			}))
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// tables is the Store in Postgres.
type tables struct{ *participant }

// Apply is one transaction: inbox, state, outbox. Nothing is locked while the
// machine thinks; the version says at the end whether somebody else was first.
func (t *tables) Apply(
	ctx context.Context, m Message, fire func(*Saga) ([]Message, error),
) error {
	var s *Saga
	var from State // until it has moved: nowhere
	point := func() string {
		if from == "" {
			return ""
		}
		return transition{from: from, to: s.State}.String()
	}
	return t.transact(ctx, point, func(tx pgx.Tx) (out []Message, err error) {
		// The same deadline is found by every orchestrator: its message needs no
		// inbox, it has the version.
		if m.Kind != Timeout {
			if err := t.seen(ctx, tx, m); err != nil {
				return nil, err
			}
		}
		if s, err = load(ctx, tx, m.Order.ID); err != nil {
			return nil, err
		}
		before := *s
		if out, err = fire(s); err != nil || s.Version == before.Version {
			return nil, err
		}
		from = before.State
		return out, save(ctx, tx, s, before.Version, t.deadline(s))
	})
}

func load(ctx context.Context, tx pgx.Tx, order string) (*Saga, error) {
	s := &Saga{State: Initially}
	err := tx.QueryRow(ctx, `SELECT body, state, version, attempts, parked_in, reason
		FROM sagas WHERE order_id = $1`, order).
		Scan(&s.Order, &s.State, &s.Version, &s.Attempts, &s.ParkedIn, &s.Reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load saga %s: %w", order, err)
	}
	return s, nil
}

// save writes the saga if its version is still the one that was loaded. This is
// optimistic locking: of two orchestrators one commits, and the other begins
// again, with its inbox as it was.
func save(ctx context.Context, tx pgx.Tx, s *Saga, loaded int, deadline *time.Duration) error {
	body, err := json.Marshal(s.Order)
	if err != nil {
		return fmt.Errorf("save saga: %w", err)
	}
	tag, err := tx.Exec(ctx, `INSERT INTO sagas
		(order_id, body, state, version, attempts, parked_in, reason, deadline)
		VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8::interval)
		ON CONFLICT (order_id) DO UPDATE SET state = $3, version = $4, attempts = $5,
			parked_in = $6, reason = $7, deadline = excluded.deadline
		WHERE sagas.version = $9`,
		s.Order.ID, body, s.State, s.Version, s.Attempts, s.ParkedIn, s.Reason, deadline, loaded)
	if err != nil {
		return fmt.Errorf("save saga %s: %w", s.Order.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return errConflict
	}
	return nil
}

// deadline is how long the present command may take: twice as long each time it
// is sent, so that a service that is slow is not buried under repetitions.
func (t *tables) deadline(s *Saga) *time.Duration {
	if s.State.Ended() || s.State == Parked {
		return nil
	}
	d := t.settings.StepTimeout << (s.Attempts - 1)
	return &d
}

// Due finds what has waited too long, oldest first.
func (t *tables) Due(ctx context.Context) ([]Message, error) {
	rows, err := t.pool.Query(ctx, `SELECT body, version FROM sagas
		WHERE deadline < clock_timestamp() ORDER BY deadline LIMIT 100`)
	if err != nil {
		return nil, fmt.Errorf("deadlines: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Message, error) {
		m := Message{Kind: Timeout}
		err := row.Scan(&m.Order, &m.Version)
		return m, err
	})
}
