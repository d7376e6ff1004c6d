package eventsourcing

import (
	"context"
	"log/slog"
	"time"
)

// bell tells the projectors that there is something new.
//
// NOTIFY inside of the append would be simpler, and slow: a transaction that notifies takes
// one lock for the whole server as it commits, and holds it until it is on the disk. So the
// bell is rung after the commit, once for all appends since the last time. A producer that
// dies in between rings for nobody: the projectors' slow poll finds what it left.
type bell struct {
	wanted chan struct{} // has room for one: a bell that will ring need not be asked twice
	notify func() error
}

// ringPause is the least time between two rings. Projectors that are called for every event
// find one event each time.
const ringPause = 5 * time.Millisecond

// ring returns at once.
func (b bell) ring() {
	select {
	case b.wanted <- struct{}{}:
	default:
	}
}

// run rings until ctx ends.
func (b bell) run(ctx context.Context) {
	for {
		select {
		case <-b.wanted:
		case <-ctx.Done():
			return
		}
		if err := b.notify(); err != nil {
			slog.Warn("the projectors were not told: their slow poll goes on",
				"reason", explain(err))
		}
		sleep(ctx, ringPause)
	}
}

// notify does not wait for the disk: a note that a crash takes with it is not missed.
func (p *Producer) notify() error {
	ctx, cancel := withTimeout(context.Background(), p.settings)
	defer cancel()
	_, err := p.pool.Exec(ctx, `
		SELECT set_config('synchronous_commit', 'off', true), pg_notify('events', '')`)
	return err
}
