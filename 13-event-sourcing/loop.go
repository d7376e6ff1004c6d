package eventsourcing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// NewProjector returns a projector that uses the pool, which stays the caller's. handle is
// the work outside of the database, which only the projection mail has.
func NewProjector(
	pool *pgxpool.Pool, settings Settings, name string, handle Handler,
) *Projector {
	p := &Projector{
		pool: pool, settings: settings, projection: projections[name], handle: handle,
		bell: make(chan struct{}, 1), keys: readKeys, order: inOrder, messageID: messageID,
	}
	p.finish = p.together
	if settings.Order == orderLock {
		p.order = inLine
	}
	if change := variants[settings.Variant].projector; change != nil {
		change(p)
	}
	return p
}

// Run projects until ctx ends, through any number of failures of the database. The batch in
// hand is finished, and Run returns nil. It returns an error only as it starts, for what
// waiting cannot mend.
func (p *Projector) Run(ctx context.Context) error {
	if err := Prepare(ctx, p.pool); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.listen(ctx) })
	group.Go(func() error { return p.loop(ctx) })
	return group.Wait()
}

func (p *Projector) loop(ctx context.Context) error {
	pause := pauses()
	for ctx.Err() == nil {
		n, err := p.round(ctx)
		switch {
		case err != nil:
			next := pause.NextBackOff()
			slog.WarnContext(ctx, "not projected", "projection", p.projection.name,
				"reason", explain(err), "next_try_in", next.Round(time.Millisecond))
			sleep(ctx, next)
		case n == 0:
			pause.Reset()
			p.warnIfHeldUp(ctx)
			p.wait(ctx)
		default:
			pause.Reset()
		}
	}
	return nil
}

// round takes a batch of each part, and returns how many events there were.
func (p *Projector) round(ctx context.Context) (n int, err error) {
	if err := p.prelude(ctx); err != nil {
		return 0, err
	}
	parts, err := p.withWork(ctx)
	for _, c := range parts {
		if ctx.Err() != nil || err != nil {
			return n, err
		}
		var m int
		m, err = p.carefully(ctx, c)
		n += m
	}
	return n, err
}

// carefully looks for the one to blame if the database refuses a batch: half as many events
// are taken, and half of these, until it is the one that is left. That is parked.
func (p *Projector) carefully(ctx context.Context, c checkpoint) (int, error) {
	limit := p.settings.batchSize(p.projection)
	n, err := p.project(ctx, c, limit)
	for badData(err) && limit > 1 && ctx.Err() == nil {
		limit /= 2
		n, err = p.project(ctx, c, limit)
	}
	if badData(err) && limit == 1 {
		return p.parkNext(ctx, c, err)
	}
	return n, err
}

// prelude is what a projector does before it begins, and from time to time.
func (p *Projector) prelude(ctx context.Context) error {
	if time.Since(p.resumed) >= p.settings.Resume {
		if err := p.resume(ctx); err != nil {
			return fmt.Errorf("look at what is parked: %w", err)
		}
		p.resumed = time.Now()
	}
	if !p.recalled && p.projection.recall != nil {
		if err := p.projection.recall(ctx, p); err != nil {
			return err
		}
	}
	p.recalled = true
	if p.ready {
		return nil
	}
	p.ready = true
	shop.Ready(ctx, slog.String("projection", p.projection.name),
		slog.Int("batch", p.settings.batchSize(p.projection)))
	return nil
}

// withWork returns the parts that have something to do, the live generation first.
func (p *Projector) withWork(ctx context.Context) ([]checkpoint, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	rows, err := p.pool.Query(ctx, p.order.workSQL(), p.projection.name)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c checkpoint, err error) {
		return c, row.Scan(&c.generation, &c.part, &c.parts)
	})
}

// begin begins a transaction. That of a read model does not wait for the disk as it commits: a
// crash of the server takes rows and checkpoint back together, and they are projected again.
func (p *Projector) begin(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	options := withLease(p.settings)
	if p.projection.table != "" {
		options.BeginQuery += `; SET LOCAL synchronous_commit = off`
	}
	tx, err := p.pool.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// rollback gives back what is still held. After a commit there is nothing.
func (p *Projector) rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	// A connection on which this fails is closed by the pool, and the server rolls back.
	_ = tx.Rollback(ctx)
}
