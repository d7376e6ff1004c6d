package outbox

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// bell tells the consumers that there is something to do.
//
// NOTIFY inside of the order's transaction would be simpler, and slow: a
// transaction that notifies takes one lock for the whole server as it commits, and
// holds it until it is on the disk. All such commits stand in one line. So the bell
// is rung after the commit, in a transaction of its own, once for all orders since
// the last time. A producer that dies in between rings for nobody: the consumers'
// slow poll finds what it left.
type bell struct {
	notify func() error
	wanted atomic.Int64 // how often it was asked for since it was quiet
}

// ringPause is the least time between two rings. Consumers that are called for
// every order find one order each time.
const ringPause = 5 * time.Millisecond

// ring returns at once. There is one goroutine that rings, for as long as somebody
// wants it to.
func (b *bell) ring() {
	if b.wanted.Add(1) == 1 {
		go b.run()
	}
}

func (b *bell) run() {
	for {
		heard := b.wanted.Load()
		if err := b.notify(); err != nil {
			slog.Warn("the consumers were not told: their slow poll goes on",
				"reason", explain(err))
		}
		time.Sleep(ringPause)
		if b.wanted.CompareAndSwap(heard, 0) {
			return
		}
	}
}

// notify does not wait for the disk: a note that a crash takes with it is not missed.
func (p *Producer) notify() error {
	ctx, cancel := withTimeout(context.Background(), p.settings)
	defer cancel()
	_, err := p.pool.Exec(ctx, `
		SELECT set_config('synchronous_commit', 'off', true), pg_notify('outbox', '')`)
	return err
}
