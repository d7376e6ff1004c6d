package skew

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Outcome is what came of two doctors who asked at the same moment.
type Outcome struct {
	OnCall  int  // how many are, at the end
	Waited  bool // Bob waited for a lock of Alice before he had looked
	Retries int  // of Bob
}

// patience bounds a meeting, which takes milliseconds.
const patience = 30 * time.Second

// Meet lets Alice look, then Bob, before Alice writes: the order of the slide. Where Bob
// waits for a lock instead, Alice goes on. It is the same order every time, and needs no
// luck.
func (w Way) Meet(ctx context.Context, pool *pgxpool.Pool, shift int) (o Outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := Begin(ctx, pool, shift); err != nil {
		return o, err
	}
	var (
		aliceLooked = make(chan struct{})
		aliceEnded  = make(chan struct{})
		bob         = make(chan uint32, maxRetries+1) // the backends of his tries
		bobLooked   = make(chan struct{}, maxRetries+1)
	)
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(aliceEnded)
		var watch error
		looked := sync.OnceFunc(func() { close(aliceLooked) })
		_, err := w.leave(both, pool, shift, "Alice", func(*pgx.Conn) {}, func() {
			looked()
			o.Waited, watch = waits(both, pool, bob, bobLooked)
		})
		return errors.Join(err, watch)
	})
	group.Go(func() error {
		if !wait(both, aliceLooked) {
			return context.Cause(both)
		}
		retries, err := w.leave(both, pool, shift, "Bob",
			func(conn *pgx.Conn) { bob <- conn.PgConn().PID() },
			func() {
				bobLooked <- struct{}{}
				wait(both, aliceEnded) // Alice writes first
			})
		o.Retries = retries
		if errors.Is(err, ErrStay) {
			return nil
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return o, fmt.Errorf("%s: %w", w.Name, err)
	}
	err = pool.QueryRow(ctx, `SELECT count(*) FROM doctors WHERE shift = $1 AND on_call`,
		shift).Scan(&o.OnCall)
	return o, err
}

func wait(ctx context.Context, until <-chan struct{}) bool {
	select {
	case <-until:
		return true
	case <-ctx.Done():
		return false
	}
}

// waits returns true once Bob waits for a lock, and false once he has looked.
func waits(
	ctx context.Context, pool *pgxpool.Pool, bob <-chan uint32, looked <-chan struct{},
) (bool, error) {
	var backend uint32
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case backend = <-bob:
		case <-looked:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-tick.C:
		}
		var blocked bool
		err := pool.QueryRow(ctx, `SELECT cardinality(pg_blocking_pids($1)) > 0`,
			int32(backend)).Scan(&blocked)
		if err != nil || blocked {
			return blocked, err
		}
	}
}
