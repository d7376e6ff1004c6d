package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Handler is the work for an order that is not in the database: to pack it, say.
// What it changes in the world must be safe to repeat, because a transaction
// that is rolled back takes only the database back with it. The context does not
// end when the consumer is asked to stop: an order in progress is finished.
type Handler func(ctx context.Context, order shop.Order) error

// Message is a row of the outbox.
type Message struct {
	ID         int64
	Kind       Kind
	Body       []byte
	Attempts   int // that failed so far
	RowVersion int // how often the row was changed, see optimistic.go
}

// Consumer takes messages from the outbox and applies their effects, each once.
// Several consumers on one table share its messages: to add one is to start one.
type Consumer struct {
	pool     *pgxpool.Pool
	settings Settings
	handle   Handler
	round    way
	batch    int  // messages taken at a time
	inbox    bool // false only in a wrong variant

	conflicts atomic.Int64
}

// way is one of the four ways to take messages. It takes some, sees them to
// their end, and returns how many there were.
type way func(w *worker, ctx context.Context) (int, error)

var ways = map[string]way{
	"naive":       (*worker).naive,
	"row-lock":    (*worker).rowLock,
	"skip-locked": (*worker).skipLocked,
	"optimistic":  (*worker).optimistic,
}

// NewConsumer returns a consumer that uses the pool, which stays the caller's.
func NewConsumer(pool *pgxpool.Pool, settings Settings, handle Handler) *Consumer {
	c := &Consumer{
		pool: pool, settings: settings, handle: handle,
		round: ways[settings.Take], batch: settings.batchSize(), inbox: true,
	}
	if settings.Take == "naive" {
		naive(c)
	}
	if change := variants[settings.Variant].consumer; change != nil {
		change(c)
	}
	return c
}

// Conflicts is how often an optimistic consumer came too late and had to try
// again. It is safe to call at any time.
func (c *Consumer) Conflicts() int64 { return c.conflicts.Load() }

// Run consumes until ctx ends, through any number of failures of the database.
// Then the messages in progress are finished, and Run returns nil. It returns an error
// only as it starts, for what waiting cannot mend.
func (c *Consumer) Run(ctx context.Context) error {
	if err := prepare(ctx, c.pool); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var bells []chan struct{}
	for i := range c.settings.Workers {
		bell := make(chan struct{}, 1)
		bells = append(bells, bell)
		group.Go(func() error { return c.newWorker(i, bell).run(ctx) })
	}
	if c.settings.Wait == waitNotify {
		group.Go(func() error { return c.listen(ctx, bells) })
	}
	group.Go(func() error { return c.removeOldRows(ctx) })
	err := group.Wait()
	if n := c.Conflicts(); n > 0 {
		slog.Info("others were faster, and the work was done again", "retries", n)
	}
	return err
}

// worker is one loop of a consumer.
type worker struct {
	*Consumer
	name  string
	bell  <-chan struct{}
	doubt []outcome // of a commit that nobody answered, see doubt.go
	ready bool

	from   int64     // where the search for the next batch begins; 0: with the oldest
	looked time.Time // when it last began there
}

func (c *Consumer) newWorker(i int, bell <-chan struct{}) *worker {
	name := c.settings.Name
	if c.settings.Workers > 1 {
		name = fmt.Sprintf("%s/%d", name, i+1)
	}
	return &worker{Consumer: c, name: name, bell: bell}
}

// run takes messages for as long as there are any, and waits when there are none.
func (w *worker) run(ctx context.Context) error {
	pause := pauses()
	for ctx.Err() == nil {
		n, err := w.once(ctx)
		switch {
		case err != nil:
			next := pause.NextBackOff()
			slog.WarnContext(ctx, "no messages to be had", "reason", explain(err),
				"next_try_in", next.Round(time.Millisecond))
			sleep(ctx, next)
		case w.emptied(n):
			pause.Reset()
			w.wait(ctx)
		default:
			pause.Reset()
		}
	}
	return nil
}

// emptied tells whether a round that took n messages has left nothing to take. What
// came since then rings the bell.
func (w *worker) emptied(n int) bool {
	switch {
	case w.settings.Take == "naive": // one look a poll, whatever it finds
		return true
	case w.settings.Take == "optimistic" || w.settings.PerCustomer:
		return n == 0 // a round takes one of many
	default:
		return n < w.batch
	}
}

func (w *worker) once(ctx context.Context) (int, error) {
	if err := w.clearUp(ctx); err != nil {
		return 0, err
	}
	if !w.ready {
		w.ready = true
		shop.Ready(ctx, slog.String("take", w.settings.Take),
			slog.Int("batch", w.batch), slog.String("wait", w.settings.Wait))
	}
	return w.round(w, ctx)
}

// inTransaction takes with a query that locks, and holds the locks until the
// effects are committed. To die at any line of it is to give everything back:
// Postgres ends the transaction of a session that is gone.
func (w *worker) inTransaction(ctx context.Context, query string) (int, error) {
	tx, err := w.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer w.rollback(ctx, tx)
	messages, err := w.take(ctx, tx, query, w.batch)
	if err != nil || len(messages) == 0 {
		return 0, err
	}
	outcomes := w.work(ctx, messages)
	err = w.settleAndCommit(ctx, tx, outcomes)
	if badData(err) {
		w.rollback(ctx, tx)
		err = w.oneByOne(ctx, outcomes)
	}
	if err != nil {
		return 0, err
	}
	return len(messages), nil
}

// apply writes and commits the effects of messages that nothing has locked.
func (w *worker) apply(ctx context.Context, outcomes []outcome) error {
	tx, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer w.rollback(ctx, tx)
	return w.settleAndCommit(ctx, tx, outcomes)
}

func (w *worker) settleAndCommit(ctx context.Context, tx pgx.Tx, outcomes []outcome) error {
	if err := w.settle(ctx, tx, outcomes); err != nil {
		return err
	}
	return w.commit(ctx, tx, outcomes)
}

func (w *worker) begin(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	tx, err := w.pool.BeginTx(ctx, withLease(w.settings))
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// rollback gives back what is still held. After a commit there is nothing.
func (w *worker) rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	// A connection on which this fails is closed by the pool, and the server
	// rolls back by itself.
	_ = tx.Rollback(ctx)
}

// commit makes the effects and the marks true together, and only then tells the
// log. Between the two the process may die: see doubt.go.
func (w *worker) commit(ctx context.Context, tx pgx.Tx, outcomes []outcome) error {
	bounded, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	w.settings.crash.at(beforeCommit)
	if err := tx.Commit(bounded); err != nil {
		if !badData(err) {
			w.doubt = outcomes
		}
		return fmt.Errorf("commit: %w", err)
	}
	w.settings.crash.at(afterCommit)
	report(ctx, outcomes)
	return nil
}

// sleep waits, or returns early when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
