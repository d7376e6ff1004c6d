package eventsourcing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Projector reads the log from where it was, and adds what is new to a read model. As many
// as you like may run for one projection: each part of it is worked on by one at a time.
type Projector struct {
	pool       *pgxpool.Pool
	settings   Settings
	projection projection
	handle     Handler
	bell       chan struct{}
	ready      bool
	recalled   bool
	resumed    time.Time // when it last looked at what was parked
	asked      time.Time // and at who holds it up

	// What a variant or a setting changes.
	keys      findKeys
	order     order
	finish    func(ctx context.Context, tx pgx.Tx, c checkpoint, to Place) error
	messageID func(c checkpoint, f *fresh) string
}

// checkpoint is how far a part of a projection has come.
type checkpoint struct {
	generation, part, parts int
	at                      Place
}

// fresh is an event that a projector has read.
type fresh struct {
	Recorded
	event  Event
	bad    error  // why it cannot be read
	parked bool   // an event before it in its stream could not be projected
	letter string // the message id of the letter about it
}

// order is how a projector goes through the log: what comes after a checkpoint c, and which
// of two events comes first.
type order struct{ after, by string }

// inOrder is the point of this step.
//
// A position is given away before the commit. While 41 is still being written, 42 may be
// committed. Who reads "position > mine" then sees 42, remembers it, and never sees 41. So
// the log is read in the order of transactions, and only up to the oldest one that is still
// open: pg_snapshot_xmin. All below it have ended, and none will join them.
//
// The price: one transaction that stays open, in any database of the server, keeps all
// projectors waiting. They are late then, and nothing is skipped.
var inOrder = order{
	after: `(e.txid, e.position) > (c.txid, c.position)
		AND e.txid < pg_snapshot_xmin(pg_current_snapshot())`,
	by: `e.txid, e.position`,
}

// inPart divides the streams of a projection into parts, by the last byte of the order.
const inPart = `get_byte(uuid_send(e.stream), 15) % c.parts = c.part`

// readSQL reads on from a checkpoint, and only what projections use: each column costs. The
// checkpoint comes from outside: with constants the events come from the index in their
// order, the first while the database looks for the next. OFFSET 0 keeps the part out of the
// plan: the planner takes it for rare, and would rather sort the whole log.
func (o order) readSQL() string {
	return `
	SELECT stream, version, e.txid, e.position, type, schema, body, recorded_at,
		stream IN (SELECT stream FROM parked WHERE projection = $1 AND generation = $2)
	FROM (SELECT $3::int AS part, $4::int AS parts, $5::text::xid8 AS txid, $6::bigint AS position) c
	CROSS JOIN LATERAL (
		SELECT * FROM events e WHERE ` + o.after + ` ORDER BY ` + o.by + ` OFFSET 0) e
	WHERE ` + inPart + ` ORDER BY ` + o.by + ` LIMIT $7`
}

// workSQL finds the parts, of all generations, that have something to do. Each looks for one
// event behind its checkpoint, by the index. Written as EXISTS, the planner may read the whole
// log to find out that there is nothing.
func (o order) workSQL() string {
	return `
	SELECT generation, part, parts FROM checkpoints c CROSS JOIN LATERAL (
		SELECT FROM events e WHERE ` + o.after + ` AND ` + inPart + `
		ORDER BY ` + o.by + ` LIMIT 1) e
	WHERE projection = $1 ORDER BY generation, random()`
}

// project takes one batch through: what is new, and how far that is, in one transaction. To
// die at any line of it is to have done nothing. It returns how many events it has read.
func (p *Projector) project(ctx context.Context, c checkpoint, limit int) (n int, err error) {
	tx, err := p.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer p.rollback(ctx, tx)
	free, err := p.claim(ctx, tx, &c)
	if err != nil || !free {
		return 0, err
	}
	batch, err := p.read(ctx, tx, c, limit)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	todo, bad := p.sort(batch)
	effects, failed, err := p.work(ctx, tx, c, todo)
	if err != nil {
		return 0, err
	}
	bad = append(bad, failed...)
	if err := p.write(ctx, tx, c, batch, effects, bad); err != nil {
		return 0, err
	}
	p.report(ctx, c, effects, bad)
	return len(batch), nil
}

// claim keeps others from doing the same work, and then reads the checkpoint again: two
// statements, sent together. The lock is an advisory one, which needs no transaction id: with a
// lock on the row a projector that works for long would hold up all others (see inOrder).
func (p *Projector) claim(ctx context.Context, tx pgx.Tx, c *checkpoint) (free bool, err error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	key := fmt.Sprintf("%s/%d/%d", p.projection.name, c.generation, c.part)
	b := &pgx.Batch{}
	b.Queue(`SELECT pg_try_advisory_xact_lock(13, hashtext($1))`, key).QueryRow(
		func(row pgx.Row) error { return row.Scan(&free) })
	b.Queue(`SELECT txid, position FROM checkpoints
		WHERE projection = $1 AND generation = $2 AND part = $3`,
		p.projection.name, c.generation, c.part).QueryRow(
		func(row pgx.Row) error { return row.Scan(&c.at.TxID, &c.at.Position) })
	err = tx.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) { // this generation was just given up
		return false, nil
	}
	return free && err == nil, err
}

func (p *Projector) read(ctx context.Context, tx pgx.Tx, c checkpoint, limit int) ([]*fresh, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	rows, err := tx.Query(ctx, p.order.readSQL(), p.projection.name, c.generation, c.part,
		c.parts, strconv.FormatUint(c.at.TxID, 10), c.at.Position, limit)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	// Each event is decoded as it comes: meanwhile the database looks for the next ones.
	batch, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*fresh, error) {
		f := new(fresh)
		err := row.Scan((*[16]byte)(&f.Stream), &f.Version, &f.Place.TxID, &f.Place.Position,
			&f.Kind.Name, &f.Kind.Schema, &f.Body, &f.RecordedAt, &f.parked)
		if err == nil {
			f.event, f.bad = f.decode(p.settings.Reads)
		}
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return batch, nil
}

// sort returns what is to be projected of a batch, and what cannot be. Behind an event that
// cannot be read the others of its stream wait.
func (p *Projector) sort(batch []*fresh) (todo []*fresh, bad []parking) {
	stuck := map[uuid.UUID]bool{}
	for _, f := range batch {
		switch {
		case f.parked || stuck[f.Stream]:
		case f.bad != nil:
			stuck[f.Stream] = true
			bad = append(bad, parking{f.Stream, f.Version, f.bad})
		default:
			todo = append(todo, f)
		}
	}
	return todo, bad
}

// write makes the effects, the parked streams and the checkpoint true together.
func (p *Projector) write(
	ctx context.Context, tx pgx.Tx, c checkpoint, batch, effects []*fresh, bad []parking,
) error {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	if len(effects) > 0 {
		if err := p.projection.apply(ctx, tx, c.generation, effects); err != nil {
			return fmt.Errorf("project: %w", err)
		}
	}
	for _, b := range bad {
		if err := p.park(ctx, tx, c, b); err != nil {
			return err
		}
	}
	return p.finish(ctx, tx, c, batch[len(batch)-1].Place)
}

// together writes the checkpoint in the transaction of the effects, and commits both.
func (p *Projector) together(ctx context.Context, tx pgx.Tx, c checkpoint, to Place) error {
	if err := p.moveOn(ctx, tx, c, to); err != nil {
		return err
	}
	p.settings.crash.at(beforeCommit)
	if err := tx.Commit(ctx); err != nil {
		p.recalled = false // it may have happened: what it has done is told again
		return fmt.Errorf("commit: %w", err)
	}
	p.settings.crash.at(afterCommit)
	return nil
}

// moveOn moves a checkpoint, unless another has moved it since it was read. That cannot be
// while the lock is held; should it all the same, nothing is counted twice.
func (p *Projector) moveOn(ctx context.Context, db execer, c checkpoint, to Place) error {
	moved, err := db.Exec(ctx, `
		UPDATE checkpoints SET txid = $4::text::xid8, position = $5
		WHERE projection = $1 AND generation = $2 AND part = $3
		  AND txid = $6::text::xid8 AND position = $7`,
		p.projection.name, c.generation, c.part, strconv.FormatUint(to.TxID, 10), to.Position,
		strconv.FormatUint(c.at.TxID, 10), c.at.Position)
	if err == nil && moved.RowsAffected() == 0 {
		err = errors.New("another projector has moved the checkpoint")
	}
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}
