package eventsourcing

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The e-mail is a projection with a side effect: what it does cannot be done again. So it is
// one of its own, which is never built anew from zero; those that are only tables may be, as
// often as one likes.

// Handler sends the letter for an order. What it changes in the world must be safe to repeat,
// because a transaction that is rolled back takes only the database back with it: a letter has
// the order's identity as its message id, by which the mail server knows it again. ctx does
// not end when the projector is asked to stop: a letter in progress is finished.
type Handler func(ctx context.Context, order shop.Order) error

func isPlaced(e Event) bool { _, ok := e.(OrderPlaced); return ok }

// work does what there is to do outside of the database, before anything is written there.
// It returns the events whose effects are to be written, and the orders it has failed for.
func (p *Projector) work(
	ctx context.Context, tx pgx.Tx, c checkpoint, todo []*fresh,
) (effects []*fresh, bad []parking, err error) {
	if p.projection.works == nil {
		return todo, nil, nil
	}
	ctx = context.WithoutCancel(ctx)
	keys, err := p.addresses(ctx, tx, todo)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range todo {
		if !p.projection.works(f.event) {
			continue
		}
		if err := p.send(ctx, keys, f); err != nil {
			bad = append(bad, parking{f.Stream, f.Version, err})
			continue
		}
		f.letter = p.messageID(c, f)
		effects = append(effects, f)
	}
	return effects, bad, nil
}

// addresses reads the keys for a batch. None is kept for the next one.
func (p *Projector) addresses(ctx context.Context, tx pgx.Tx, todo []*fresh) (opener, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	var sealed []Sealed
	for _, f := range todo {
		if placed, ok := f.event.(OrderPlaced); ok {
			sealed = append(sealed, placed.Personal)
		}
	}
	return newOpener(ctx, p.keys, tx, sealed...)
}

// send sends the letter for an order. To a customer who is forgotten nothing can be sent.
func (p *Projector) send(ctx context.Context, keys opener, f *fresh) error {
	placed := f.event.(OrderPlaced)
	shop.Received(ctx, f.Stream.String(), 1)
	email, err := keys.open(f.Stream, placed.Personal, placed.UserEmail)
	if err != nil {
		return err
	}
	return p.safely(ctx, shop.Order{ID: f.Stream.String(), UserEmail: email,
		Items: placed.Items, PlacedAt: placed.PlacedAt})
}

// safely turns a handler's panic into an error: one bad order must not take the others in
// this process with it. Its stack is in the log at level debug.
func (p *Projector) safely(ctx context.Context, order shop.Order) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.DebugContext(ctx, "the handler panicked", "order", order.ID,
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return p.handle(ctx, order)
}

// messageID is the same however often a letter is written.
func messageID(_ checkpoint, f *fresh) string { return f.Stream.String() }

// applyMail hands the letters to the mail server, which is a table here.
func applyMail(ctx context.Context, tx pgx.Tx, _ int, effects []*fresh) error {
	var ids []string
	var orders [][16]byte
	for _, f := range effects {
		ids, orders = append(ids, f.letter), append(orders, f.Stream)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO letters (message_id, order_id)
		SELECT * FROM unnest($1::text[], $2::uuid[]) ON CONFLICT DO NOTHING`, ids, orders)
	return err
}

// tellMail says which letters were sent. The effect has an identity: to say it again, because
// nobody knows whether it was said before a crash, is no second letter.
func tellMail(ctx context.Context, effects []*fresh) {
	for _, f := range effects {
		shop.Processed(ctx, f.Stream.String(), slog.String("effect", f.letter))
	}
}

// recalled is how many of the last letters a projector tells of as it starts.
const recalled = 100

// recallMail tells of the last letters: whoever sent them may have died before it could.
func recallMail(ctx context.Context, p *Projector) error {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	rows, err := p.pool.Query(ctx, `
		SELECT order_id, message_id FROM letters
		WHERE sent_at > clock_timestamp() - interval '1 minute'
		ORDER BY sent_at DESC LIMIT $1`, recalled)
	if err != nil {
		return fmt.Errorf("look for the last letters: %w", err)
	}
	var order uuid.UUID
	var letter string
	_, err = pgx.ForEachRow(rows, []any{&order, &letter}, func() error {
		shop.Processed(ctx, order.String(), slog.String("effect", letter),
			slog.Bool("reported_late", true))
		return nil
	})
	return err
}
