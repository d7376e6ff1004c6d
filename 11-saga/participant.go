package saga

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// maxBatch is how many messages one transaction takes at most. A batch is never
// waited for: it is what has come while the last one was committed.
const maxBatch = 100

// participant is what all programs of a saga have in common: a schema of their
// own, a queue of their own, and the rule that what a message changes and what it
// causes to be said commit together.
type participant struct {
	name     string
	settings Settings
	variant  variant
	pool     *pgxpool.Pool
	begin    pgx.TxOptions
	bus      *bus
	outbox   *outbox

	handle    handler
	batch     func(context.Context, []Message) error // one transaction for a batch
	departure departure
	permanent func(error) bool
	work      time.Duration // for each message, before its transaction
	old       string        // deletes what is old: of which age, and how many rows
}

// handler handles a batch of messages in one transaction.
type handler func(context.Context, pgx.Tx, []Message) (changes, error)

// changes are what a transaction leads to.
type changes struct {
	send   []Message
	points []string // for CRASH_AT
	lines  []func() // of the log, once it is true
}

func (c *changes) log(line func()) { c.lines = append(c.lines, line) }

// departure is when the messages of a transaction leave.
type departure interface {
	beforeCommit(context.Context, pgx.Tx, []Message) error
	afterCommit(context.Context, []Message) error
}

func newParticipant(ctx context.Context, name string, s Settings) (*participant, error) {
	pool, err := openDatabase(ctx, s, name)
	if err != nil {
		return nil, err
	}
	v := variants[s.Variant]
	p := &participant{
		name: name, settings: s, variant: v, pool: pool, begin: beginIn(name),
		bus:       newBus(s, name, bindings(v)),
		permanent: permanent,
	}
	p.batch = p.handleBatch
	p.outbox = newOutbox(p)
	p.bus.last = p.outbox.flush
	p.departure = p.outbox
	if v.departure != nil {
		p.departure = v.departure(p.outbox)
	}
	if v.permanent != nil {
		p.permanent = v.permanent
	}
	return p, nil
}

// run consumes and relays until ctx ends, and then drains from the front to the
// back: first whoever takes work from elsewhere (more) ends, then the messages in
// hand are finished, and then what both have put into the outbox is published. A
// program that is stopped in order leaves nothing for its next life to find.
func (p *participant) run(ctx context.Context, more ...func(context.Context) error) error {
	defer shop.Close("the database", p.pool.Close)
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
	group.Go(func() error { return p.bus.run(consuming, p.newConsumer()) })
	group.Go(func() error { return p.outbox.run(ctx) })
	group.Go(func() error { return p.housekeeping(ctx) })
	return group.Wait()
}

// errConflict: another process has changed the same row first.
var errConflict = errors.New("changed by another process at the same time")

// transact runs work and commits what it changed together with the messages that
// it returns: the transactional outbox.
func (p *participant) transact(
	ctx context.Context, work func(context.Context, pgx.Tx) (changes, error),
) error {
	var c changes
	err := pgx.BeginTxFunc(ctx, p.pool, p.begin, func(tx pgx.Tx) (err error) {
		if c, err = work(ctx, tx); err != nil {
			return err
		}
		for i := range c.send {
			c.send[i].SentAt = time.Now().UTC()
		}
		if err = p.departure.beforeCommit(ctx, tx, c.send); err != nil {
			return err
		}
		p.settings.crash.at(c.points, beforeTheCommit)
		return nil
	})
	if err != nil {
		return err
	}
	p.settings.crash.at(c.points, afterTheCommit)
	if err := p.departure.afterCommit(ctx, c.send); err != nil {
		return err
	}
	for _, line := range c.lines {
		line()
	}
	return nil
}

// attempt commits a batch in one transaction. If there is a message in it that
// will never succeed, they are committed one by one, and that message is refused.
// An error is one of the server: what has not been refused is still to be done.
func (p *participant) attempt(
	ctx context.Context, batch []Message, refuse func(i int, err error),
) error {
	err := p.commit(ctx, batch)
	if err == nil || !p.permanent(err) {
		return err
	}
	for i := range batch {
		if len(batch) > 1 {
			err = p.commit(ctx, batch[i:i+1])
		}
		if err != nil && !p.permanent(err) {
			return err
		}
		if err != nil {
			refuse(i, err)
		}
	}
	return nil
}

func (p *participant) commit(ctx context.Context, batch []Message) error {
	return retry(ctx, p.name, p.permanent, func(ctx context.Context) error {
		return p.batch(ctx, batch)
	})
}

func (p *participant) handleBatch(ctx context.Context, batch []Message) error {
	return p.transact(ctx, func(ctx context.Context, tx pgx.Tx) (changes, error) {
		return p.handle(ctx, tx, batch)
	})
}

// regularly does something now and then until ctx ends, and again at once as long
// as there is more of it.
func (p *participant) regularly(
	ctx context.Context, every time.Duration, what string,
	do func(context.Context) (more bool, err error),
) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for more := true; more && ctx.Err() == nil; {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
			var err error
			if more, err = do(bounded); err != nil {
				more = false
				slog.WarnContext(ctx, "not done: it is tried again later", "what", what,
					"reason", cut(explain(err).Error()))
			}
			cancel()
		}
	}
}

// housekeeping deletes what is older than anything that may still be said of it.
func (p *participant) housekeeping(ctx context.Context) error {
	every := max(time.Second, min(time.Minute, p.settings.Retention/4))
	return p.regularly(ctx, every, "delete what is old", p.deleteOld)
}

func (p *participant) deleteOld(ctx context.Context) (more bool, err error) {
	err = pgx.BeginTxFunc(ctx, p.pool, p.begin, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, p.old, p.settings.Retention+grace, housekeepingRows)
		more = tag.RowsAffected() >= housekeepingRows
		return err
	})
	return more, err
}

const (
	housekeepingRows = 5_000
	// grace is what lies between the last moment at which something may be done for
	// an order and the first at which it may be forgotten: clocks differ, and a
	// transaction takes time.
	grace = 2 * databaseTimeout
)
