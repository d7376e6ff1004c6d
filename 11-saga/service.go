package saga

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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

// Business is the part of a service that is its own.
type Business struct {
	Name string

	Command, Done, Refused            Kind // what it is asked to do, and its two answers
	Compensation, Compensated, Failed Kind // the same for taking it back

	// Effect is what the order moves, by account: cents, pieces of a product, parcels.
	Effect func(shop.Order) map[string]int64
	// Refuses returns why the service says no, or "".
	Refuses func(shop.Order) string
	// CannotUndo returns why the effect cannot be taken back, or "".
	CannotUndo func(Message) string
	// Shelf is what the effects are taken from, nil where there is no end of it.
	Shelf Shelf
}

// Shelf bounds the effects of a service. Both methods run in its transaction.
type Shelf interface {
	// Look returns how much there is of some accounts.
	Look(ctx context.Context, tx pgx.Tx, accounts []string) (map[string]int64, error)
	// Take takes what was decided for a whole batch, or gives back what is
	// negative. It returns errConflict if there is not as much as there was.
	Take(ctx context.Context, tx pgx.Tx, amounts map[string]int64) error
}

// Next is all that a service must know to take commands that come twice, late, or
// in the wrong order: it is idempotent by order, whatever the message.
//
// The line that is easily forgotten is the undo for an order that is Undecided.
// The command may still be on its way: it must find the order Undone, and be
// refused. (The literature on try-confirm-cancel calls it a null compensation,
// and the late command a suspension.)
func (d Decision) Next(undo, refuses bool) (next Decision, effect int) {
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
	service, err := newService(ctx, s, business)
	if err != nil {
		return err
	}
	return service.run(ctx)
}

type service struct {
	*participant
	Business
	undoes map[Kind]bool // what the service reacts to: does it undo?
	decide func(is Decision, undo, refuses bool) (Decision, int)
}

func newService(ctx context.Context, s Settings, business Business) (*service, error) {
	p, err := newParticipant(ctx, business.Name, s)
	if err != nil {
		return nil, err
	}
	service := &service{p, business, commands(p.variant, business), Decision.Next}
	if p.variant.decide != nil {
		service.decide = p.variant.decide
	}
	p.handle, p.old, p.work = service.handle, oldDecisions, s.Work
	return service, nil
}

// handle decides on a batch, in one transaction: decisions, effects, answers.
func (s *service) handle(
	ctx context.Context, tx pgx.Tx, batch []Message,
) (c changes, err error) {
	b, err := s.open(ctx, tx, batch)
	if err != nil {
		return c, err
	}
	for _, m := range batch {
		undo := s.undoes[m.Kind]
		answer := s.answer(b, m, undo)
		c.send = append(c.send, answer)
		c.points = append(c.points, string(s.command(undo)))
		c.log(func() { slog.InfoContext(ctx, string(answer.Kind), "order", m.Order.ID) })
	}
	return c, s.close(ctx, tx, b)
}

func (s *service) command(undo bool) Kind {
	if undo {
		return s.Compensation
	}
	return s.Command
}

// books are what a service knows of the orders of a batch, and what it has decided
// on them now.
type books struct {
	decisions map[string]*decision
	done      map[string]map[string]int64 // what was done for an order, by account
	shelf     map[string]int64            // nil: no end of it
	taken     map[string]int64
	journal   columns
}

type decision struct {
	status   Decision
	reason   string
	placedAt time.Time
	known    bool // there is a row, and it is locked
	changed  bool
}

// answer decides on one message. It does not believe it: what is taken back is what
// the books say was done, whatever the message says that it was.
func (s *service) answer(b *books, m Message, undo bool) Message {
	d := b.decisions[m.key()]
	effect := s.Effect(m.Order)
	problem := s.tooOld(m)
	switch {
	case problem != "":
	case undo && d.status == Done:
		effect, problem = b.done[m.Order.ID], s.CannotUndo(m)
	case !undo && d.status == Undecided:
		if problem = s.Refuses(m.Order); problem == "" {
			problem = b.missing(effect)
		}
	}
	if undo && problem != "" {
		return m.answer(s.Failed, problem)
	}
	status, sign := s.decide(d.status, undo, problem != "")
	if status != d.status {
		d.status, d.changed = status, true
		if d.reason = problem; undo {
			d.reason = m.Reason
		}
	}
	if sign != 0 {
		b.move(m.Order.ID, effect, int64(sign))
	}
	return s.say(m, undo, d.status, d.reason)
}

// say repeats the decision, also to those who ask again.
func (s *service) say(m Message, undo bool, now Decision, reason string) Message {
	switch {
	case undo:
		return m.answer(s.Compensated, m.Reason)
	case now == Done:
		return m.answer(s.Done, "")
	case now == Undone:
		reason = "it was called off before it came"
	}
	return m.answer(s.Refused, reason)
}

// tooOld refuses to act on an order whose decision may have been forgotten: only a
// person can know what was done for it.
func (s *service) tooOld(m Message) string {
	if !m.ByHand && time.Since(m.Order.PlacedAt) > s.settings.Retention {
		return fmt.Sprintf("the order is older than %s: a person must look into it",
			s.settings.Retention)
	}
	return ""
}

func (b *books) missing(effect map[string]int64) string {
	for _, account := range sorted(effect) {
		if b.shelf != nil && effect[account] > b.shelf[account]-b.taken[account] {
			return "sold out: " + account
		}
	}
	return ""
}

func (b *books) move(order string, effect map[string]int64, sign int64) {
	if b.done[order] == nil {
		b.done[order] = map[string]int64{}
	}
	for _, account := range sorted(effect) {
		amount := sign * effect[account]
		b.journal.add(order, account, amount)
		b.taken[account] += amount
		b.done[order][account] += amount
	}
}

// open reads what is known. Decisions are locked: two commands for one order wait
// for each other. An order that is not decided on has no row to lock: see close.
func (s *service) open(ctx context.Context, tx pgx.Tx, batch []Message) (*books, error) {
	b := &books{decisions: map[string]*decision{}, done: map[string]map[string]int64{},
		taken: map[string]int64{}}
	var keys, toUndo, accounts []string
	for _, m := range batch {
		keys = append(keys, m.key())
		b.decisions[m.key()] = &decision{placedAt: m.Order.PlacedAt}
		accounts = append(accounts, sorted(s.Effect(m.Order))...)
		if s.undoes[m.Kind] {
			toUndo = append(toUndo, m.Order.ID)
		}
	}
	rows, err := tx.Query(ctx, `SELECT order_id, status, reason FROM decisions
		WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE`, unique(keys))
	if err != nil {
		return nil, fmt.Errorf("decisions: %w", err)
	}
	var order, reason string
	var status Decision
	if _, err = pgx.ForEachRow(rows, []any{&order, &status, &reason}, func() error {
		d := b.decisions[order]
		d.status, d.reason, d.known = status, reason, true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("decisions: %w", err)
	}
	if err := b.read(ctx, tx, toUndo); err != nil {
		return nil, err
	}
	if s.Shelf != nil {
		if b.shelf, err = s.Shelf.Look(ctx, tx, unique(accounts)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// read finds out what was done for orders.
func (b *books) read(ctx context.Context, tx pgx.Tx, orders []string) error {
	if len(orders) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT order_id, account, sum(amount)::bigint FROM journal
		WHERE order_id = ANY($1) GROUP BY 1, 2`, orders)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var order, account string
	var amount int64
	_, err = pgx.ForEachRow(rows, []any{&order, &account, &amount}, func() error {
		if b.done[order] == nil {
			b.done[order] = map[string]int64{}
		}
		b.done[order][account] = amount
		return nil
	})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// close writes what was decided. The shelf comes last: its rows are the ones that
// every order needs, and are locked up to the commit.
func (s *service) close(ctx context.Context, tx pgx.Tx, b *books) error {
	var fresh, known columns
	for _, order := range sorted(b.decisions) {
		switch d := b.decisions[order]; {
		case d.changed && d.known:
			known.add(order, d.status, d.reason, d.placedAt)
		case d.changed:
			fresh.add(order, d.status, d.reason, d.placedAt)
		}
	}
	const rows = `unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
		AS n (order_id, status, reason, placed_at)`
	if err := fresh.exec(ctx, tx, `INSERT INTO decisions (order_id, status, reason, placed_at)
		SELECT * FROM `+rows+` ON CONFLICT DO NOTHING`); err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	if err := known.exec(ctx, tx, `UPDATE decisions d SET status = n.status, reason = n.reason
		FROM `+rows+` WHERE d.order_id = n.order_id`); err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	if err := b.journal.exec(ctx, tx, `INSERT INTO journal (order_id, account, amount)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])`); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if s.Shelf == nil || len(b.taken) == 0 {
		return nil
	}
	return s.Shelf.Take(ctx, tx, b.taken)
}

// oldDecisions are older than anything that is still acted on, see tooOld. What their
// journal adds up to is carried forward.
const oldDecisions = `WITH old AS (
		DELETE FROM decisions WHERE order_id IN (SELECT order_id FROM decisions
			WHERE placed_at < clock_timestamp() - $1::interval LIMIT $2) RETURNING order_id),
	entries AS (
		DELETE FROM journal WHERE order_id IN (SELECT order_id FROM old)
		RETURNING account, amount),
	forward AS (
		INSERT INTO closed (account, amount)
		SELECT account, sum(amount) FROM entries GROUP BY account ORDER BY account
		ON CONFLICT (account) DO UPDATE SET amount = closed.amount + excluded.amount)
	SELECT order_id FROM old`
