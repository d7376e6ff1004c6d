package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errOvertaken says that somebody else has read on from the position that this reader began with.
var errOvertaken = errors.New("somebody else has committed what was read here")

// commit writes the effects of a batch and, with them, how far the partition is read. The position is
// compared before it is set: a reader that was frozen, cut off or replaced, and does not know it, changes
// nothing (optimistic locking; Kafka has a generation of the group for it).
func (c *Consumer) commit(ctx context.Context, p *share, d done, withPosition bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	err := c.inTransaction(ctx, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		if withPosition { // first: who comes second waits here, and learns that he is late
			c.queuePosition(batch, p, d)
		}
		c.queueEffects(batch, p, d)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		// Whether it was committed may be unknown. The next load finds out.
		return fmt.Errorf("commit partition %d: %w", p.partition, err)
	}
	if withPosition {
		p.position = d.last
	}
	if c.closes {
		p.windows.Close()
	}
	if c.forgets {
		p.windows.Forget()
	}
	c.report(ctx, p, d)
	return nil
}

// inTransaction bounds how long a reader that hangs, or is cut off in the middle, holds its locks: the
// server ends its session when the others take over.
func (c *Consumer) inTransaction(ctx context.Context, do func(pgx.Tx) error) error {
	lease := pgx.TxOptions{BeginQuery: fmt.Sprintf(
		`BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d`, c.settings.MemberTTL.Milliseconds())}
	return pgx.BeginTxFunc(ctx, c.pool, lease, do)
}

// queuePosition sets the position if it still is what it was.
func (c *Consumer) queuePosition(batch *pgx.Batch, p *share, d done) {
	batch.Queue(`UPDATE progress SET position = $4, latest = $5, orders = $6, offsets = $7, latest_paid = $8
		WHERE reader_group = $1 AND partition = $2 AND position = $3`,
		c.settings.Group, p.partition, int64(p.position), int64(d.last), p.windows.Latest,
		column(d.orders, func(o counted) string { return o.id }),
		column(d.orders, func(o counted) int64 { return int64(o.offset) }), p.join.latest[1],
	).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return errOvertaken
		}
		return nil
	})
}

// queueEffects writes the sums as they are now: they are the state of this partition, which nobody else
// writes.
func (c *Consumer) queueEffects(batch *pgx.Batch, p *share, d done) {
	c.queueWindows(batch, p, d)
	c.queueFates(batch, p, d)
	batch.Queue(`INSERT INTO seen
		SELECT $1::text, $2::int, order_id, until FROM unnest($3::text[], $4::timestamptz[]) n(order_id, until)
		ON CONFLICT DO NOTHING`, c.settings.Group, p.partition,
		column(d.orders, func(o counted) string { return o.id }),
		column(d.orders, func(o counted) time.Time { return o.until }))
	batch.Queue(`INSERT INTO too_late
		SELECT $1::text, $2::int, n.*
		FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::bigint[]) n
		ON CONFLICT DO NOTHING`, c.settings.Group, p.partition,
		column(d.tooLate, func(l late) string { return l.window.Shape }),
		column(d.tooLate, func(l late) time.Time { return l.window.Start }),
		column(d.tooLate, func(l late) time.Time { return l.window.End }),
		column(d.tooLate, func(l late) string { return l.id }),
		column(d.tooLate, func(l late) int64 { return int64(l.offset) }))
	batch.Queue(`INSERT INTO dead
		SELECT $1::text, $2::int, position, order_id, reason
		FROM unnest($3::bigint[], $4::text[], $5::text[]) n(position, order_id, reason)
		ON CONFLICT DO NOTHING`, c.settings.Group, p.partition,
		column(d.dead, func(o counted) int64 { return int64(o.offset) }),
		column(d.dead, func(o counted) string { return o.id }),
		column(d.dead, func(o counted) string { return shop.Reason(o.reason) }))
	c.queueCustomers(batch, d)
	if c.closes {
		batch.Queue(`UPDATE windows SET closed_at = now()
			WHERE reader_group = $1 AND partition = $2 AND closed_at IS NULL AND ends <= $3`,
			c.settings.Group, p.partition, p.windows.Watermark().Add(-p.windows.Lateness))
	}
	if c.forgets {
		batch.Queue(`DELETE FROM seen WHERE reader_group = $1 AND partition = $2 AND until <= $3`,
			c.settings.Group, p.partition, p.windows.Watermark())
	}
}

func (c *Consumer) queueWindows(batch *pgx.Batch, p *share, d done) {
	type row struct {
		cell
		Sum
	}
	var rows []row
	for cell := range d.changed {
		rows = append(rows, row{cell, p.windows.Open[cell.Window][cell.Product]})
	}
	batch.Queue(`INSERT INTO windows SELECT $1::text, $2::int, n.*, NULL FROM unnest($3::text[],
			$4::timestamptz[], $5::timestamptz[], $6::text[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[]) n
		ON CONFLICT (reader_group, partition, shape, starts, product) DO UPDATE SET
			orders = excluded.orders, pieces = excluded.pieces, cents = excluded.cents,
			late = excluded.late`, c.settings.Group, p.partition,
		column(rows, func(r row) string { return r.Shape }),
		column(rows, func(r row) time.Time { return r.Start }),
		column(rows, func(r row) time.Time { return r.End }),
		column(rows, func(r row) string { return r.Product }),
		column(rows, func(r row) int64 { return r.Orders }),
		column(rows, func(r row) int64 { return r.Pieces }),
		column(rows, func(r row) int64 { return r.Cents }),
		column(rows, func(r row) int64 { return r.Late }))
}

// queueFates writes what the join knows of each half: the halves that wait are its state, the others its
// result. The state is where the position is: without it, the next reader would not know the orders whose
// payments come.
func (c *Consumer) queueFates(batch *pgx.Batch, p *share, d done) {
	latest := map[uint64]Fate{}
	for _, f := range d.fates {
		if c.keeps || f.Outcome != Waiting {
			latest[f.Offset] = f
		}
	}
	if len(latest) == 0 {
		return
	}
	rows := slices.Collect(maps.Values(latest))
	batch.Queue(`INSERT INTO joined SELECT $1::text, $2::int, n.* FROM unnest($3::bigint[], $4::boolean[],
			$5::text[], $6::timestamptz[], $7::bigint[], $8::text[]) n
		ON CONFLICT (reader_group, partition, position) DO UPDATE SET outcome = excluded.outcome`,
		c.settings.Group, p.partition,
		column(rows, func(f Fate) int64 { return int64(f.Offset) }),
		column(rows, func(f Fate) bool { return f.Payment }),
		column(rows, func(f Fate) string { return f.OrderID }),
		column(rows, func(f Fate) time.Time { return f.At }),
		column(rows, func(f Fate) int64 { return f.Cents }),
		column(rows, func(f Fate) string { return string(f.Outcome) }))
}

// queueCustomers adds to what each customer has bought, in the order of their names: two transactions
// that wait for each other would not come to an end.
func (c *Consumer) queueCustomers(batch *pgx.Batch, d done) {
	emails := slices.Sorted(maps.Keys(d.bought))
	batch.Queue(`INSERT INTO customers AS c SELECT $1::text, n.*, 0 FROM unnest($2::text[], $3::bigint[],
			$4::bigint[], $5::timestamptz[], $6::timestamptz[]) n
		ON CONFLICT (reader_group, email) DO UPDATE SET
			orders = c.orders + excluded.orders, cents = c.cents + excluded.cents,
			overtaken = c.overtaken + (excluded.first_at < c.last_at)::int,
			first_at = excluded.first_at, last_at = greatest(c.last_at, excluded.last_at)`,
		c.settings.Group, emails,
		column(emails, func(e string) int64 { return d.bought[e].Orders }),
		column(emails, func(e string) int64 { return d.bought[e].Cents }),
		column(emails, func(e string) time.Time { return d.appended[e][0] }),
		column(emails, func(e string) time.Time { return d.appended[e][1] }))
}

// column is one property of all, as an array for Postgres.
func column[T, V any](all []T, of func(T) V) []V {
	values := make([]V, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	return values
}

// load reads what the group knows of a partition, all of it as it was at one moment, and says once more
// what the last transaction has processed: its writer may have died before it told anyone.
func (c *Consumer) load(ctx context.Context, partition int) (*share, error) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	p := &share{
		partition: partition, windows: c.settings.windows(),
		join: NewJoin(c.settings.PayWithin, c.settings.Slack),
	}
	var orders []string
	var offsets []int64
	read := func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT position, latest, latest_paid, orders, offsets FROM progress
			WHERE reader_group = $1 AND partition = $2`, c.settings.Group, partition).
			Scan(&p.position, &p.windows.Latest, &p.join.latest[1], &orders, &offsets)
		if err == nil {
			err = c.loadWindows(ctx, tx, p)
		}
		if err == nil {
			err = c.loadSeen(ctx, tx, p)
		}
		if err == nil && c.keeps {
			err = c.loadJoin(ctx, tx, p)
		}
		return err
	}
	err := c.enter(ctx, partition)
	if err == nil {
		err = pgx.BeginTxFunc(ctx, c.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, read)
	}
	if err != nil {
		return nil, fmt.Errorf("load partition %d: %w", partition, err)
	}
	p.windows.Latest = p.windows.Latest.UTC()
	p.join.latest = [2]time.Time{p.windows.Latest, p.join.latest[1].UTC()}
	c.say(func() {
		for i, id := range orders {
			processed(ctx, id, partition, uint64(offsets[i]))
		}
	})
	return p, nil
}

// enter makes the row of a partition that the group has not read yet.
func (c *Consumer) enter(ctx context.Context, partition int) error {
	var began uint64
	if !c.settings.From.IsZero() {
		var err error
		if began, err = c.log.Before(ctx, partition, c.settings.From); err != nil {
			return err
		}
	}
	_, err := c.pool.Exec(ctx, `INSERT INTO progress (reader_group, partition, began, position)
		VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING`, c.settings.Group, partition, int64(began))
	return err
}

func (c *Consumer) loadWindows(ctx context.Context, tx pgx.Tx, p *share) error {
	rows, err := tx.Query(ctx, `SELECT shape, starts, ends, product, orders, pieces, cents, late
		FROM windows WHERE reader_group = $1 AND partition = $2 AND closed_at IS NULL`,
		c.settings.Group, p.partition)
	if err != nil {
		return err
	}
	var w Window
	var product string
	var sum Sum
	_, err = pgx.ForEachRow(rows, []any{&w.Shape, &w.Start, &w.End, &product,
		&sum.Orders, &sum.Pieces, &sum.Cents, &sum.Late}, func() error {
		window := Window{w.Shape, w.Start.UTC(), w.End.UTC()}
		if p.windows.Open[window] == nil {
			p.windows.Open[window] = map[string]Sum{}
		}
		p.windows.Open[window][product] = sum
		return nil
	})
	return err
}

func (c *Consumer) loadSeen(ctx context.Context, tx pgx.Tx, p *share) error {
	rows, err := tx.Query(ctx, `SELECT order_id, until FROM seen
		WHERE reader_group = $1 AND partition = $2`, c.settings.Group, p.partition)
	if err != nil {
		return err
	}
	var id string
	var until time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &until}, func() error {
		p.windows.Seen[id] = until.UTC()
		return nil
	})
	return err
}

// loadJoin reads the halves that wait, in the order in which they came, and the orders that are paid and
// may come again.
func (c *Consumer) loadJoin(ctx context.Context, tx pgx.Tx, p *share) error {
	p.join.latest[0] = p.windows.Latest
	rows, err := tx.Query(ctx, `SELECT position, payment, order_id, at, cents, outcome FROM joined
		WHERE reader_group = $1 AND partition = $2 AND at >= $3
			AND (outcome = 'waiting' OR outcome = 'paid' AND NOT payment) ORDER BY position`,
		c.settings.Group, p.partition, p.join.Watermark().Add(-p.join.Within))
	if err != nil {
		return err
	}
	var f Fate
	var position int64
	_, err = pgx.ForEachRow(rows, []any{&position, &f.Payment, &f.OrderID, &f.At, &f.Cents, &f.Outcome},
		func() error {
			f.Offset, f.At = uint64(position), f.At.UTC()
			p.join.restore(f)
			return nil
		})
	return err
}
