package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Orchestrator leads sagas. It has no memory between two batches: whichever
// orchestrator gets a message loads the saga, moves it and saves it. That is why
// there can be several.
type Orchestrator struct {
	*participant
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
	o, err := newOrchestrator(ctx, s)
	if err != nil {
		return err
	}
	return o.run(ctx, o.watch)
}

func newOrchestrator(ctx context.Context, s Settings) (*Orchestrator, error) {
	p, err := newParticipant(ctx, "orchestrator", s)
	if err != nil {
		return nil, err
	}
	o := &Orchestrator{p, Rules{s.Attempts, orderSaga}}
	if p.variant.machine != nil {
		o.rules.machine = p.variant.machine(orderSaga)
	}
	p.handle, p.old = o.handle, oldSagas
	return o, nil
}

// handle moves the sagas of a batch, in one transaction.
func (o *Orchestrator) handle(
	ctx context.Context, tx pgx.Tx, batch []Message,
) (c changes, err error) {
	sagas, err := load(ctx, tx, batch)
	if err != nil {
		return c, err
	}
	var moves []Move
	for _, m := range batch {
		s := sagas[m.Order.ID]
		from := s.State
		commands, moved := s.Fire(m, o.rules)
		c.log(func() { logMove(ctx, m, s.Saga, moved) })
		if !moved {
			continue
		}
		c.send = append(c.send, commands...)
		c.points = append(c.points, transition{from: from, to: s.State}.String())
		if s.State != from {
			moves = append(moves, s.move(m.Kind))
		}
	}
	if len(moves) > 0 { // one message for all: only the website reads it
		c.send = append(c.send, Message{Kind: SagaMoved, Moves: moves,
			ID: fmt.Sprintf("%s/%d/%s", moves[0].OrderID, moves[0].Version, SagaMoved)})
	}
	return c, o.save(ctx, tx, sagas)
}

func (s *Saga) move(by Kind) Move {
	m := Move{s.Order.ID, s.Version, by, s.State, s.Reason, time.Now().UTC()}
	if s.State == Parked {
		m.Reason = s.Problem
	}
	return m
}

func logMove(ctx context.Context, m Message, s Saga, moved bool) {
	switch {
	case !moved:
		slog.InfoContext(ctx, "too late or too early", "order", m.Order.ID,
			"message", m.Kind, "state", s.State)
	case s.State == Parked:
		// The alarm. A saga that is parked waits for a person.
		slog.ErrorContext(ctx, "saga parked: mend what is wrong, then resume it",
			"order", m.Order.ID, "in", s.ParkedIn, "reason", s.Problem, "parked", 1)
	default:
		slog.InfoContext(ctx, "saga moved", "order", m.Order.ID, "by", m.Kind,
			"to", s.State, "attempt", s.Attempts)
	}
}

// loaded is a saga, and its version in the table.
type loaded struct {
	Saga
	was int
}

// load reads the sagas of a batch. Nothing is locked while the machine thinks: the
// version says at the end whether somebody else was first.
func load(ctx context.Context, tx pgx.Tx, batch []Message) (map[string]*loaded, error) {
	sagas := map[string]*loaded{}
	for _, m := range batch {
		sagas[m.Order.ID] = &loaded{Saga: Saga{Order: shop.Order{ID: m.Order.ID}, State: Initially}}
	}
	rows, err := tx.Query(ctx, `SELECT order_id, body, state, version, attempts, parked_in,
			reason, problem
		FROM orchestrator.sagas WHERE order_id = ANY($1)`, orders(batch))
	if err != nil {
		return nil, fmt.Errorf("load sagas: %w", err)
	}
	var order string
	var s Saga
	_, err = pgx.ForEachRow(rows, []any{&order, &s.Order, &s.State, &s.Version, &s.Attempts,
		&s.ParkedIn, &s.Reason, &s.Problem}, func() error {
		sagas[order] = &loaded{s, s.Version}
		s = Saga{}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load sagas: %w", err)
	}
	return sagas, nil
}

// orders are those of a batch, each once.
func orders(batch []Message) []string {
	ids := make([]string, 0, len(batch))
	for _, m := range batch {
		ids = append(ids, m.Order.ID)
	}
	return unique(ids)
}

// save writes the sagas that have moved, if their versions are still those that
// were loaded. This is optimistic locking: of two orchestrators one commits, and
// the other begins again with its batch.
func (o *Orchestrator) save(ctx context.Context, tx pgx.Tx, sagas map[string]*loaded) error {
	var fresh, known columns
	for _, order := range sorted(sagas) {
		s := sagas[order]
		if s.Version == s.was {
			continue
		}
		body, err := json.Marshal(s.Order)
		if err != nil {
			return fmt.Errorf("saga %s: %w", order, err)
		}
		to := &known
		if s.was == 0 {
			to = &fresh
		}
		to.add(order, string(body), s.State, s.Version, s.Attempts, s.ParkedIn, s.Reason,
			s.Problem, o.stepTimeout(s.Saga).Milliseconds(), s.was)
	}
	const deadline = `clock_timestamp() + nullif(wait, 0) * interval '1 ms'`
	const rows = `unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::text[],
			$7::text[], $8::text[], $9::bigint[], $10::int[])
		AS n (order_id, body, state, version, attempts, parked_in, reason, problem, wait, was)`
	if err := fresh.exec(ctx, tx, `INSERT INTO orchestrator.sagas (order_id, body, state, version,
			attempts, parked_in, reason, problem, deadline)
		SELECT order_id, body::json, state, version, attempts, parked_in, reason, problem,
			`+deadline+` FROM `+rows+` ON CONFLICT DO NOTHING`); err != nil {
		return fmt.Errorf("begin sagas: %w", err)
	}
	if err := known.exec(ctx, tx, `UPDATE orchestrator.sagas s SET state = n.state,
			version = n.version, attempts = n.attempts, parked_in = n.parked_in,
			reason = n.reason, problem = n.problem, deadline = `+deadline+`,
			moved_at = clock_timestamp()
		FROM `+rows+` WHERE s.order_id = n.order_id AND s.version = n.was`); err != nil {
		return fmt.Errorf("save sagas: %w", err)
	}
	return nil
}

// stepTimeout is how long the present command may take: twice as long each time it is
// sent, so that a service that is slow is not buried under repetitions. What waits
// for nothing has none.
func (o *Orchestrator) stepTimeout(s Saga) time.Duration {
	if s.State.Ended() || s.State == Parked {
		return 0
	}
	return o.settings.StepTimeout << (s.Attempts - 1)
}

const (
	// longestLook is the longest pause between two looks for deadlines, and so the
	// longest time by which one is late.
	longestLook = 500 * time.Millisecond
	// lease is for how long a deadline is left alone that an orchestrator has taken
	// on. If that does not move the saga, others have their turn before it.
	lease = 5 * time.Second
)

// watch looks for deadlines that have passed. The deadline is in the table with
// the state: it survives the orchestrator that set it.
func (o *Orchestrator) watch(ctx context.Context) error {
	every := max(10*time.Millisecond, min(o.settings.StepTimeout/4, longestLook))
	return o.regularly(ctx, every, "look for deadlines", func(ctx context.Context) (bool, error) {
		due, err := o.due(ctx)
		if err != nil {
			return false, err
		}
		if len(due) == 0 {
			return false, nil
		}
		return len(due) == maxBatch, o.attempt(ctx, due, func(i int, err error) {
			slog.ErrorContext(ctx, "a deadline cannot be acted on: it is tried again later",
				"order", due[i].Order.ID, "again_in", lease, "reason", cut(err.Error()))
		})
	})
}

// due takes on what has waited too long, oldest first.
func (o *Orchestrator) due(ctx context.Context) ([]Message, error) {
	rows, err := o.pool.Query(ctx, `UPDATE orchestrator.sagas
		SET deadline = clock_timestamp() + $1::interval
		WHERE order_id IN (SELECT order_id FROM orchestrator.sagas
			WHERE deadline < clock_timestamp() ORDER BY deadline LIMIT $2
			FOR UPDATE SKIP LOCKED)
		RETURNING order_id, version`, lease, maxBatch)
	if err != nil {
		return nil, fmt.Errorf("deadlines: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Message, error) {
		m := Message{Kind: Timeout}
		return m, row.Scan(&m.Order.ID, &m.Version)
	})
}

// oldSagas have ended, and are older than anything that may still be said of them.
const oldSagas = `DELETE FROM orchestrator.sagas WHERE order_id IN (
	SELECT order_id FROM orchestrator.sagas WHERE state IN ('Accepted', 'Cancelled')
		AND moved_at < clock_timestamp() - $1::interval LIMIT $2)`
