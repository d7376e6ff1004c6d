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
	"golang.org/x/sync/errgroup"
)

// participant is what all programs of a saga have in common: a schema of their
// own, a queue of their own, and the rule that what a message changes, what it
// causes to be said, and that it was handled at all, commit together.
type participant struct {
	name     string
	settings Settings
	variant  variant
	pool     *pgxpool.Pool
	bus      *bus
	unsent   chan struct{} // rings when the outbox has something
}

func newParticipant(ctx context.Context, name string, s Settings) (*participant, error) {
	pool, err := openDatabase(ctx, s, name)
	if err != nil {
		return nil, err
	}
	v := variants[s.Variant]
	p := &participant{
		name: name, settings: s, variant: v, pool: pool,
		bus:    newBus(s, name, bindings(v)),
		unsent: make(chan struct{}, 1),
	}
	p.bus.last = p.flush
	return p, nil
}

// run consumes and relays until ctx ends, and then drains from the front to the
// back: first whoever takes work from elsewhere (more) ends, then the messages in
// hand are finished, and then what both have put into the outbox is published. A
// program that is stopped in order leaves nothing for its next life to find.
func (p *participant) run(
	ctx context.Context, handle func(context.Context, Message) error,
	more ...func(context.Context) error,
) error {
	defer p.pool.Close()
	group, ctx := errgroup.WithContext(ctx)
	var front sync.WaitGroup
	for _, m := range more {
		front.Add(1)
		group.Go(func() error {
			defer front.Done()
			return m(ctx)
		})
	}
	consuming, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer stop()
		<-ctx.Done()
		front.Wait()
		return nil
	})
	group.Go(func() error { return p.bus.run(consuming, handle) })
	group.Go(func() error { return p.relay(ctx) })
	return group.Wait()
}

// errConflict: another process has changed the same row first.
var errConflict = errors.New("changed by another process at the same time")

// errSeen ends a transaction for a message that was handled before.
var errSeen = errors.New("handled before")

// transact runs work and commits what it changed together with the messages that
// it returns. This is the transactional outbox; with [participant.seen] in work,
// it is the inbox, too. The wrong variants publish at another time.
//
// The point names the place for CRASH_AT. It is a function because only work
// knows where it leads.
func (p *participant) transact(
	ctx context.Context, point func() string, work func(pgx.Tx) ([]Message, error),
) error {
	var out []Message
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) (err error) {
		if out, err = work(tx); err != nil {
			return err
		}
		for i := range out {
			out[i].SentAt = time.Now().UTC()
		}
		switch p.variant.delivery {
		case throughOutbox:
			err = p.write(ctx, tx, out)
		case beforeCommit:
			err = p.bus.publish(ctx, out)
		case afterCommit:
		}
		if err == nil {
			p.settings.crash.at(point(), beforeTheCommit)
		}
		return err
	})
	if err != nil {
		return err
	}
	p.settings.crash.at(point(), afterTheCommit)
	if p.variant.delivery == afterCommit {
		return p.bus.publish(ctx, out)
	}
	p.ring()
	return nil
}

// seen puts the message into the inbox, or returns errSeen if it is there.
func (p *participant) seen(ctx context.Context, tx pgx.Tx, m Message) error {
	tag, err := tx.Exec(ctx,
		`INSERT INTO inbox (message_id) VALUES ($1) ON CONFLICT DO NOTHING`, m.ID)
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errSeen
	}
	return nil
}

func (p *participant) write(ctx context.Context, tx pgx.Tx, out []Message) error {
	for _, m := range out {
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO outbox (message) VALUES ($1)`, body); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
	}
	return nil
}

// ring never waits: a bell that rings already need not ring twice.
func (p *participant) ring() {
	select {
	case p.unsent <- struct{}{}:
	default:
	}
}

// relay publishes what is in the outbox. It is told at once of what its own
// process has written, and looks by itself now and then: another process of the
// same name may have died with something unsent.
func (p *participant) relay(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.unsent:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for more := true; more; {
			err := patiently(ctx, "publish from the outbox", func(ctx context.Context) (err error) {
				more, err = p.relayBatch(ctx)
				return err
			})
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// flush is the relay's last round, as the program ends.
func (p *participant) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), busTimeout)
	defer cancel()
	for more := true; more; {
		var err error
		if more, err = p.relayBatch(ctx); err != nil {
			slog.WarnContext(ctx, "not all of the outbox is published: the next life does it",
				"reason", err)
			return
		}
	}
}

const relayBatch = 100

// relayBatch deletes messages and publishes them, in this order, and commits only
// after the broker has confirmed all of them. A relay that dies in between has
// deleted nothing: they are published again, with the same IDs. SKIP LOCKED lets
// the relays of several processes share an outbox.
func (p *participant) relayBatch(ctx context.Context) (more bool, err error) {
	sent := 0
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM outbox WHERE seq IN (
			SELECT seq FROM outbox ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED)
			RETURNING message`, relayBatch)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		batch, err := pgx.CollectRows(rows, pgx.RowTo[Message])
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		sent, more = len(batch), len(batch) == relayBatch
		if err := p.bus.publish(ctx, batch); err != nil {
			return err
		}
		p.settings.crash.at("relay", beforeTheCommit)
		return nil
	})
	if err == nil && sent > 0 {
		p.settings.crash.at("relay", afterTheCommit)
	}
	return more, err
}
