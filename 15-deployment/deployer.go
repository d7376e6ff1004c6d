package deployment

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// programs are what a version consists of, in the order in which they are replaced: whoever reads
// comes before those who write.
var programs = []string{"consumer", "producer"}

// Deployer keeps the shop's programs running and brings other versions of them in. It is a control
// loop: it knows what should run, sees what does, and does what is missing. Its methods are safe for
// concurrent use.
type Deployer struct {
	settings Settings
	wrong    variant
	pool     *pgxpool.Pool // for migrations
	door     *Door
	group    sync.WaitGroup // a guard for each replica, and the rollout
	rollout  sync.Mutex     // held by whoever starts and ends replicas
	// last ends when even those in progress must be done: DrainIn after Run was told to end.
	last context.Context

	mu       sync.Mutex
	desired  Desired
	replicas []*Replica
	started  int // for the names
	restarts int // of replicas that ended unasked, or did not answer
	peak     int // replicas at a time, since the rollout began
	rolling  bool
	trouble  error         // why it is not as desired
	kick     chan struct{} // wakes the control loop
}

// NewDeployer returns a deployer that uses the pool, which stays the caller's.
func NewDeployer(s Settings, pool *pgxpool.Pool) *Deployer {
	return &Deployer{
		settings: s, wrong: variants[s.Variant], pool: pool, door: NewDoor(s.Slow),
		kick: make(chan struct{}, 1), last: context.Background(),
		desired: Desired{Version: s.Version, Replicas: map[string]int{"producer": 2, "consumer": 2}},
	}
}

// Run brings up what is desired, and keeps it up until ctx ends. Then everything drains.
func (d *Deployer) Run(ctx context.Context) error {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.last = last
	context.AfterFunc(ctx, func() { time.AfterFunc(d.settings.DrainIn, cancel) })
	defer d.end()
	desired, err := readDesired(d.settings.Desired, d.desired)
	if err != nil {
		return err
	}
	d.setDesired(desired)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		d.keep(ctx)
		select {
		case <-d.kick:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lookEvery is how often the deployer compares what runs with what should, if nothing happens.
const lookEvery = time.Second

// keep does what is missing. While a version comes in, that is the rollout's business.
func (d *Deployer) keep(ctx context.Context) {
	if !d.rollout.TryLock() {
		return
	}
	defer d.rollout.Unlock()
	desired := d.Desired()
	drift := Plan(desired, d.Running())
	if len(drift) == 0 {
		return
	}
	slog.Info("not as desired", "plan", fmt.Sprint(drift))
	release, err := FindRelease(desired.Version)
	if err == nil {
		err = d.migrate(ctx, release)
	}
	if err == nil {
		err = d.converge(ctx, desired.Version)
	}
	d.mu.Lock()
	d.trouble = err
	d.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		slog.Warn("not as desired yet", "reason", err)
	}
	if err != nil {
		return
	}
	slog.Info("as desired", "version", desired.Version, "restarts", d.Restarts())
}

func (d *Deployer) end() {
	d.rollout.Lock() // a rollout sees that ctx has ended, and ends
	defer d.rollout.Unlock()
	d.retireAll(d.having(func(*Replica) bool { return true }))
	d.group.Wait()
}

// migrate brings the tables to what the release needs, before any of its replicas starts. The old
// version must be able to go on with them.
func (d *Deployer) migrate(ctx context.Context, release Release) error {
	if err := Migrate(ctx, d.pool, release.Schema); err != nil {
		return err
	}
	if release.Schema < Expanded {
		return nil
	}
	filled, err := Backfill(ctx, d.pool, 500)
	slog.Info("tables are ready", "version", release.Name, "backfilled", filled)
	return err
}

// converge makes a version the only one that runs, with all its replicas.
func (d *Deployer) converge(ctx context.Context, version string) error {
	d.door.Split(version, 100) // for as long as there is another
	if err := d.fill(ctx, version); err != nil {
		return err
	}
	d.retireAll(d.surplus(version))
	d.door.Split("", 0)
	return nil
}

// surplus are the replicas that are too many where a version is the only one that should run.
func (d *Deployer) surplus(version string) []*Replica {
	desired := d.Desired()
	desired.Version = version
	plan := Plan(desired, d.Running())
	return d.having(func(r *Replica) bool {
		return slices.ContainsFunc(plan, func(c Change) bool { return !c.Start && c.Name == r.Name })
	})
}

// fill starts what is missing of a version, two replicas at a time: to start is the most that a
// program asks of its database.
func (d *Deployer) fill(ctx context.Context, version string) error {
	desired := d.Desired()
	desired.Version = version
	for _, program := range programs {
		var group errgroup.Group // for its limit, and the first error
		group.SetLimit(2)
		for _, c := range Plan(desired, d.Running()) {
			if c.Start && c.Program == program {
				group.Go(func() error { return d.launch(ctx, program, version) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a replica, waits until it is ready, and lets it serve. When it is not ready in
// time it is gone again, and launch returns why.
func (d *Deployer) launch(ctx context.Context, program, version string) error {
	d.mu.Lock()
	d.started++
	name := fmt.Sprintf("%s-%s-%d", program, version, d.started)
	d.mu.Unlock()
	r, err := launch(program, version, name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.replicas = append(d.replicas, r)
	d.peak = max(d.peak, len(d.replicas))
	d.mu.Unlock()
	if !d.wrong.notReady {
		err := r.awaitReady(ctx, d.settings.ReadyIn)
		if err != nil && ctx.Err() == nil {
			d.retire(r)
		}
		if err != nil {
			return err
		}
	}
	if program == "producer" {
		d.door.Add(r)
	}
	d.group.Go(func() { d.guard(r) })
	return nil
}

// retire takes a replica out of service: first it gets no more orders, then it finishes those it
// has, then it ends.
func (d *Deployer) retire(r *Replica) {
	close(r.retired)
	defer d.forget(r)
	if d.wrong.noDrain {
		r.kill()
		return
	}
	ctx, cancel := context.WithTimeout(d.last, d.settings.DrainIn)
	defer cancel()
	d.door.Remove(ctx, r)
	if err := r.drain(ctx); err != nil {
		slog.Warn("a replica did not drain", "error", err)
	}
}

func (d *Deployer) retireAll(replicas []*Replica) {
	var group sync.WaitGroup
	for _, r := range replicas {
		group.Go(func() { d.retire(r) })
	}
	group.Wait()
}

// forget strikes a replica off that is gone.
func (d *Deployer) forget(r *Replica) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	d.door.Remove(gone, r) // nothing that it had in progress is waited for
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replicas = slices.DeleteFunc(d.replicas, func(other *Replica) bool { return other == r })
}

const (
	// aliveEvery is how often a replica is asked whether it is alive, and deadAfter how many times
	// it may fail to say so.
	aliveEvery = 200 * time.Millisecond
	deadAfter  = 3
)

// guard strikes a replica off that ends unasked, or is not alive any more. The control loop sees
// that one is missing.
func (d *Deployer) guard(r *Replica) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for failed := 0; failed < deadAfter; {
		select {
		case <-r.retired:
			return
		case <-r.exited:
			failed = deadAfter
		case <-tick.C:
			failed++
			if r.probe(context.Background(), "/healthz") == nil {
				failed = 0
			}
		}
	}
	select {
	case <-r.retired: // it was about to end
		return
	default:
	}
	r.kill()
	d.forget(r)
	d.mu.Lock()
	d.restarts++
	n := d.restarts
	d.mu.Unlock()
	slog.Warn("a replica was lost", "replica", r.Name, "restarts", n)
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// having are the replicas for which that is true, the oldest first.
func (d *Deployer) having(is func(*Replica) bool) []*Replica {
	d.mu.Lock()
	defer d.mu.Unlock()
	var some []*Replica
	for _, r := range d.replicas {
		if is(r) {
			some = append(some, r)
		}
	}
	return some
}

func (d *Deployer) of(program, version string) []*Replica {
	return d.having(func(r *Replica) bool { return r.Program == program && r.Version == version })
}

func (d *Deployer) others(version string) []*Replica {
	return d.having(func(r *Replica) bool { return r.Version != version })
}

// Restarts is how many replicas had to be replaced.
func (d *Deployer) Restarts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.restarts
}

// Running is what runs.
func (d *Deployer) Running() []Running {
	var all []Running
	for _, r := range d.having(func(*Replica) bool { return true }) {
		all = append(all, Running{r.Program, r.Version, r.Name})
	}
	return all
}

// Desired is what should run.
func (d *Deployer) Desired() Desired {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.desired
}

func (d *Deployer) setDesired(desired Desired) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.desired = desired
}
