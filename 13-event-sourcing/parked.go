package eventsourcing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// parking is a stream that a projection cannot go on with, from which event on, and why.
type parking struct {
	stream  uuid.UUID
	version int
	err     error
}

// park sets a stream aside. The checkpoint passes it by, and all other orders go on: it is
// the order that is at fault, and not the log.
func (p *Projector) park(ctx context.Context, db execer, c checkpoint, b parking) error {
	forGood := errors.Is(b.err, shop.ErrBounced) || errors.Is(b.err, ErrForgotten)
	_, err := db.Exec(ctx, `
		INSERT INTO parked (projection, generation, stream, version, reason, for_good)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		p.projection.name, c.generation, b.stream, b.version, reason(b.err), forGood)
	if err != nil {
		return fmt.Errorf("park order %s: %w", b.stream, err)
	}
	return nil
}

// parkNext parks the event behind the checkpoint: it is the one that the database refuses.
func (p *Projector) parkNext(ctx context.Context, c checkpoint, why error) (int, error) {
	tx, err := p.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer p.rollback(ctx, tx)
	free, err := p.claim(ctx, tx, &c)
	if err != nil || !free {
		return 0, err
	}
	batch, err := p.read(ctx, tx, c, 1)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	bad := []parking{{batch[0].Stream, batch[0].Version, why}}
	if err := p.write(ctx, tx, c, batch, nil, bad); err != nil {
		return 0, err
	}
	p.report(ctx, c, nil, bad)
	return 1, nil
}

// report tells the log what has become true.
func (p *Projector) report(ctx context.Context, c checkpoint, effects []*fresh, bad []parking) {
	if p.projection.told != nil {
		p.projection.told(ctx, effects)
	}
	for _, b := range bad {
		slog.ErrorContext(ctx, "an order is parked: its events wait for a person, all others go on",
			"projection", p.projection.name, "generation", c.generation,
			"stream", b.stream.String(), "version", b.version, "reason", reason(b.err))
		if p.projection.told != nil {
			shop.Failed(ctx, b.stream.String(), reason(b.err))
		}
	}
}

// resume tries what is parked again, unless that cannot help: a new version of the program may
// be able to read it.
func (p *Projector) resume(ctx context.Context) error {
	looking, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	rows, err := p.pool.Query(looking, `
		SELECT p.generation, part, parts, stream, version
		FROM parked p JOIN checkpoints c USING (projection, generation)
		WHERE projection = $1 AND NOT for_good
			AND get_byte(uuid_send(stream), 15) % c.parts = c.part
		ORDER BY parked_at LIMIT 1000`, p.projection.name)
	if err != nil {
		return err
	}
	type one struct {
		checkpoint
		parking
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o one, err error) {
		return o, row.Scan(&o.generation, &o.part, &o.parts, &o.stream, &o.version)
	})
	if err != nil {
		return err
	}
	for _, o := range all {
		if err := p.resumeOne(ctx, o.checkpoint, o.parking); err != nil && !badData(err) {
			return fmt.Errorf("order %s: %w", o.stream, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// resumeOne projects the events of a parked stream that the checkpoint has passed by. If one
// of them still cannot be read, all of them stay parked.
func (p *Projector) resumeOne(ctx context.Context, c checkpoint, parked parking) error {
	tx, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer p.rollback(ctx, tx)
	if free, err := p.claim(ctx, tx, &c); err != nil || !free {
		return err
	}
	passed, err := p.passed(ctx, tx, c, parked)
	if err != nil {
		return err
	}
	todo, bad := p.sort(passed)
	effects, failed, err := p.work(ctx, tx, c, todo)
	if err != nil || len(bad)+len(failed) > 0 {
		return err
	}
	bounded, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	_, err = tx.Exec(bounded, `DELETE FROM parked
		WHERE projection = $1 AND generation = $2 AND stream = $3`,
		p.projection.name, c.generation, parked.stream)
	if err == nil && len(effects) > 0 {
		err = p.projection.apply(bounded, tx, c.generation, effects)
	}
	if err == nil {
		err = tx.Commit(bounded)
	}
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "no longer parked", "projection", p.projection.name,
		"stream", parked.stream.String(), "events", len(passed))
	p.report(ctx, c, effects, nil)
	return nil
}

// passed reads what the checkpoint has passed by.
func (p *Projector) passed(
	ctx context.Context, tx pgx.Tx, c checkpoint, parked parking,
) ([]*fresh, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM events
		WHERE stream = $1 AND version >= $2 AND (txid, position) <= (
			SELECT txid, position FROM checkpoints
			WHERE projection = $3 AND generation = $4 AND part = $5)
		ORDER BY version`, parked.stream, parked.version, p.projection.name, c.generation, c.part)
	if err != nil {
		return nil, err
	}
	events, err := pgx.CollectRows(rows, scanRecorded)
	if err == nil && len(events) == 0 {
		err = errors.New("its events are not in the log any more")
	}
	all := make([]*fresh, len(events))
	for i, e := range events {
		all[i] = &fresh{Recorded: e}
		all[i].event, all[i].bad = e.decode(p.settings.Reads)
	}
	return all, err
}
