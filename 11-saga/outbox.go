package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	relayBatch = 4 * maxBatch
	// look is how often a relay deletes what it has published, and looks for what
	// others have left.
	look = 500 * time.Millisecond
	// overdue is for how long a message in the outbox is left to the process that
	// has written it. After that, whoever finds it publishes it.
	overdue = 2 * time.Second
)

// outbox is the table of the messages that are to be sent. They are written in the
// transaction that they follow from. A relay publishes them when it has committed,
// and deletes them some time after the broker has confirmed them: a message is in the
// table for longer than it need be, and never for too short.
type outbox struct {
	pool      *pgxpool.Pool
	begin     pgx.TxOptions
	bus       *bus
	crash     *crash
	committed chan []Message

	mu        sync.Mutex // the relay's, and then its last round's
	published []int64    // what is to be deleted
}

func newOutbox(p *participant) *outbox {
	return &outbox{pool: p.pool, begin: p.begin, bus: p.bus, crash: p.settings.crash,
		committed: make(chan []Message, 64)}
}

func (o *outbox) beforeCommit(ctx context.Context, tx pgx.Tx, out []Message) error {
	if len(out) == 0 {
		return nil
	}
	bodies := make([]string, len(out))
	for i, m := range out {
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		bodies[i], out[i].body = string(body), body
	}
	rows, err := tx.Query(ctx, `INSERT INTO outbox (message, due_at)
		SELECT m::json, clock_timestamp() + $2::interval
		FROM unnest($1::text[]) WITH ORDINALITY AS n (m, i) ORDER BY i RETURNING seq`,
		bodies, overdue)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	for i := range out {
		out[i].seq = seqs[i]
	}
	return nil
}

// afterCommit hands the messages to the relay. It never waits: what the relay has
// no room for it finds in the table.
func (o *outbox) afterCommit(_ context.Context, out []Message) error {
	select {
	case o.committed <- out:
	default:
	}
	return nil
}

// run is the relay.
func (o *outbox) run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		do := o.tidy
		select {
		case batch := <-o.committed:
			do = func(ctx context.Context) error { return o.relay(ctx, o.gather(batch)) }
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		o.mu.Lock()
		err := do(ctx)
		o.mu.Unlock()
		waiting := errors.Is(err, errNotConnected) || errors.Is(err, errBlocked)
		if err != nil && !waiting && ctx.Err() == nil {
			slog.WarnContext(ctx, "not published: it stays in the outbox",
				"reason", cut(explain(err).Error()))
		}
	}
}

// gather adds what else has been committed by now.
func (o *outbox) gather(batch []Message) []Message {
	for len(batch) < relayBatch {
		select {
		case more := <-o.committed:
			batch = append(batch, more...)
		default:
			return batch
		}
	}
	return batch
}

// relay publishes messages. No transaction is open while it waits for the broker.
func (o *outbox) relay(ctx context.Context, batch []Message) error {
	if len(batch) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := o.bus.publish(ctx, batch)
	if errors.Is(err, errUnroutable) && len(batch) > 1 { // the others do not wait for it
		err = nil
		for i := range batch {
			err = errors.Join(err, o.relay(ctx, batch[i:i+1]))
		}
		return err
	}
	if err != nil {
		return err
	}
	o.crash.at([]string{"relay"}, beforeTheCommit)
	for _, m := range batch {
		o.published = append(o.published, m.seq)
	}
	if len(o.published) > 10*relayBatch {
		return o.delete(ctx)
	}
	return nil
}

// delete deletes what was published, for many batches at once. The delete need not
// survive a crash of the database: then messages are published again, with the same
// IDs, as they are if the process dies before.
func (o *outbox) delete(ctx context.Context) error {
	if len(o.published) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	begin := o.begin
	begin.BeginQuery += "; SET LOCAL synchronous_commit = off"
	err := pgx.BeginTxFunc(ctx, o.pool, begin, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM outbox WHERE seq = ANY($1)`, o.published)
		return err
	})
	o.published = nil // what could not be deleted is overdue soon, and published again
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	o.crash.at([]string{"relay"}, afterTheCommit)
	return nil
}

func (o *outbox) tidy(ctx context.Context) error {
	return errors.Join(o.delete(ctx), o.relayOverdue(ctx))
}

// relayOverdue publishes what another process of the same name has left when it
// died, or this one when the broker was away. SKIP LOCKED and a new due time let
// the relays of several processes share what there is.
func (o *outbox) relayOverdue(ctx context.Context) error {
	for more := true; more && ctx.Err() == nil; {
		if err := o.bus.ready(); err != nil {
			return errNotConnected
		}
		batch, err := o.take(ctx)
		if err != nil {
			return err
		}
		if err := o.relay(ctx, batch); err != nil {
			return err
		}
		more = len(batch) == relayBatch
	}
	return nil
}

func (o *outbox) take(ctx context.Context) (batch []Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, o.pool, o.begin, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `UPDATE outbox SET due_at = clock_timestamp() + $1::interval
			WHERE seq IN (SELECT seq FROM outbox WHERE due_at < clock_timestamp()
				ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED)
			RETURNING seq, message::text`, 2*overdue, relayBatch)
		if err != nil {
			return err
		}
		batch, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Message, err error) {
			var seq int64
			var body string
			if err := row.Scan(&seq, &body); err != nil {
				return m, err
			}
			err = json.Unmarshal([]byte(body), &m)
			m.seq, m.body = seq, []byte(body)
			return m, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return batch, nil
}

// flush is the relay's last round, as the program ends.
func (o *outbox) flush(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	for batch := o.gather(nil); len(batch) > 0 && err == nil; batch = o.gather(nil) {
		err = o.relay(ctx, batch)
	}
	if err = errors.Join(err, o.delete(ctx)); err != nil {
		slog.WarnContext(ctx, "not all of the outbox is published: the next life does it",
			"reason", cut(explain(err).Error()))
	}
}
