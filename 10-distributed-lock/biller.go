package lock

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"course.example/shop"
)

// Biller bills the orders that are open, each under the lock of its name. Both
// programs of this step run one: neither knows of the other, and both see the same
// orders.
type Biller struct {
	settings Settings
	locker   *Locker
	account  Resource

	drainLimit time.Duration

	mu         sync.Mutex
	inProgress map[string]bool
	doubt      atomic.Bool // a lock was not to be had because too few nodes can lock
}

// NewBiller returns a biller that has not begun yet.
func NewBiller(settings Settings, locker *Locker, account Resource) *Biller {
	return &Biller{
		settings: settings, locker: locker, account: account, inProgress: map[string]bool{},
		drainLimit: DrainLimit,
	}
}

// lookAgain is the pause between two looks at what is open.
const lookAgain = 25 * time.Millisecond

// DrainLimit is how long what is in progress may go on when a program is asked to end. Then
// its work is called off: the orders stay open, and the next holder bills them. A program
// ends within twenty seconds whatever happens: a silent account may take ten more.
const DrainLimit = 10 * time.Second

var errDrained = errors.New("the program ends and could not wait any longer")

// Run bills until ctx ends, then finishes what it has in progress and returns nil.
func (b *Biller) Run(ctx context.Context) error {
	defer b.report(ctx)
	working, callOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer callOff(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(b.drainLimit, func() { callOff(errDrained) })
	})()
	var workers sync.WaitGroup
	defer workers.Wait()
	slots := make(chan struct{}, b.settings.Workers)
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for seen := nothingYet; ; {
		orders, err := b.look(ctx, seen)
		seen = b.tell(ctx, seen, err)
		for _, order := range orders {
			if !b.pick(order.ID) {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			workers.Go(func() {
				defer func() { b.drop(order.ID); <-slots }()
				b.bill(ctx, working, order)
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// report says at the end of how many locks were gone before their time: silence could also mean
// that nobody has counted.
func (b *Biller) report(ctx context.Context) {
	slog.InfoContext(ctx, "the last lock is given back", "stolen", b.locker.stolen.Load())
}

// outlook is what a biller has last seen of the servers that it needs.
type outlook int

const (
	nothingYet outlook = iota
	ready
	away
)

// look lists what is open. Until it is ready, and when a lock was not to be had, it asks
// the nodes, too, so that it is ready when it says so.
func (b *Biller) look(ctx context.Context, seen outlook) ([]shop.Order, error) {
	if b.doubt.Swap(false) || seen != ready {
		if err := b.locker.nodes.Check(ctx); err != nil {
			return nil, err
		}
	}
	return b.account.Pending(ctx)
}

// tell says once that all is there, and once that something is away: also at the
// start, or a program without its servers would wait and say nothing.
func (b *Biller) tell(ctx context.Context, seen outlook, err error) outlook {
	switch {
	case ctx.Err() != nil:
		return seen // it was asked to end: nothing is away
	case err == nil && seen != ready:
		shop.Ready(ctx, slog.Int("nodes", len(b.locker.nodes.clients)),
			slog.Int("quorum", b.locker.nodes.Quorum()),
			slog.Duration("expiry", b.locker.expiry))
	case err != nil && seen != away:
		slog.WarnContext(ctx, "cannot see what is open: trying again until it can",
			"reason", err)
	}
	if err != nil {
		return away
	}
	return ready
}

func (b *Biller) pick(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inProgress[id] {
		return false
	}
	b.inProgress[id] = true
	return true
}

func (b *Biller) drop(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.inProgress, id)
}

// bill takes the lock and does the work. Whatever goes wrong, the order is still
// open, and is found again at the next look. Waiting ends with ctx, work with working.
func (b *Biller) bill(ctx, working context.Context, order shop.Order) {
	lease, err := b.locker.Acquire(ctx, order.ID)
	if err != nil {
		if errors.Is(err, ErrNoQuorum) {
			b.doubt.Store(true)
		}
		level := slog.LevelDebug // somebody else has it: that is what a lock is for
		if !errors.Is(err, ErrTaken) && ctx.Err() == nil {
			level = slog.LevelWarn
		}
		slog.Log(ctx, level, "no lock", "order", order.ID, "reason", err)
		return
	}
	defer func() {
		if err := lease.Release(ctx); err != nil {
			slog.WarnContext(ctx, "lock not released", "order", order.ID, "reason", err)
		}
	}()
	defer context.AfterFunc(working, func() { lease.lose(context.Cause(working)) })()
	if err := b.under(lease, order); err != nil {
		slog.WarnContext(ctx, "order not billed", "order", order.ID,
			"token", lease.Token, "reason", err)
	}
}

// under is what happens under the lock: look, work, write. Without the lock, two
// would look before either has written, and both would write.
func (b *Biller) under(lease *Lease, order shop.Order) error {
	ctx := lease.Context()
	settled, err := b.account.Enter(ctx, order.ID, lease.Owner, lease.Token)
	if err != nil {
		return err
	}
	if settled {
		shop.Skipped(ctx, order.ID, "billed already", slog.Int64("token", lease.Token))
		return nil
	}
	shop.Received(ctx, order.ID, max(1, int(lease.Token)))
	err = shop.Work(ctx, order, b.settings.Work)
	if lost := lease.Err(); lost != nil {
		err = lost
	}
	// Between this last look at the lease and the write there is always a gap: a
	// garbage collection, a swapped page, a packet under way. Nothing in this
	// process can close it. The setting only makes it long enough to be seen.
	pause(b.settings.Gap)

	// From here on the lease's context would be a lie: a write that is under way
	// cannot be called back.
	writing := context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return b.account.Bill(writing, order.ID, lease.Owner, lease.Token)
	case errors.Is(err, shop.ErrBounced):
		return b.account.GiveUp(writing, order.ID, lease.Owner, lease.Token, err.Error())
	default:
		return errors.Join(err, b.account.Leave(writing, order.ID, lease.Owner))
	}
}

func pause(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// Place writes the order down for billing. It refuses while nobody could bill: a
// customer is better told now than left waiting.
func (b *Biller) Place(ctx context.Context, order shop.Order) error {
	if err := b.locker.nodes.Check(ctx); err != nil {
		return shop.Unavailable(err, time.Second)
	}
	if err := b.account.Open(ctx, order); err != nil {
		return shop.Unavailable(err, time.Second)
	}
	return nil
}

// Ready returns nil when locks can be had, and the account can be asked.
func (b *Biller) Ready(ctx context.Context) error {
	if err := b.locker.nodes.Check(ctx); err != nil {
		return err
	}
	return b.account.Ready(ctx)
}
