package deployment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// converge makes what is wanted the only thing that runs: what is missing comes first.
func (d *Deployer) converge(ctx context.Context, want Desired) error {
	d.door.Split(want.Version, 100) // for as long as there is another
	if err := d.fill(ctx, want); err != nil {
		return err
	}
	plan := Plan(want, d.State())
	d.retireAll(d.having(func(r *Replica) bool {
		return slices.ContainsFunc(plan, func(c Change) bool { return !c.Start && c.Name == r.Name })
	}))
	d.door.Split("", 0)
	return nil
}

// atOnce is how many replicas start at a time: to start is the most that a program asks of its
// database.
const atOnce = 2

// fill starts what is missing.
func (d *Deployer) fill(ctx context.Context, want Desired) error {
	for _, program := range programs {
		var group errgroup.Group // for its limit, and the first error
		group.SetLimit(cmp.Or(d.wrong.atOnce, atOnce))
		for _, c := range Plan(want, d.State()) {
			if c.Start && c.Program == program {
				group.Go(func() error { return d.launch(ctx, program, want) })
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
func (d *Deployer) launch(ctx context.Context, program string, want Desired) error {
	d.mu.Lock()
	d.figures.started++
	name := fmt.Sprintf("%s-%s-%d", program, want.Version, d.figures.started)
	d.mu.Unlock()
	r, err := d.launcher(program, want.Version, name, want.environment())
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.replicas = append(d.replicas, r)
	d.figures.peak = max(d.figures.peak, len(d.replicas))
	d.mu.Unlock()
	if !d.wrong.notReady {
		if err := d.awaitReady(ctx, r); err != nil {
			return err
		}
	}
	if program == "producer" {
		d.door.Add(r)
	}
	d.group.Go(func() { d.guard(r) })
	return nil
}

// awaitReady waits until the replica can serve. When it cannot in time it is gone again.
func (d *Deployer) awaitReady(ctx context.Context, r *Replica) error {
	d.mu.Lock()
	d.figures.warming++
	d.figures.warmest = max(d.figures.warmest, d.figures.warming)
	d.mu.Unlock()
	err := r.awaitReady(ctx, d.settings.ReadyIn)
	if err != nil && ctx.Err() == nil {
		d.retire(r)
	}
	memory := d.memory()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.figures.warming--
	d.figures.memory = max(d.figures.memory, memory)
	return err
}

// ErrBusy says that a version is coming in.
var ErrBusy = errors.New("another version is coming in: try again when it is there")

// Start starts one more replica, whatever desired.yaml says, as somebody may do by hand who does not
// know of it. The control loop will see it.
func (d *Deployer) Start(ctx context.Context, program, version string) error {
	if _, err := FindRelease(version); err != nil {
		return err
	}
	if !slices.Contains(programs, program) {
		return usagef("there is no program %q: there are consumer and producer", program)
	}
	d.mu.Lock()
	rolling := d.rolling()
	d.mu.Unlock()
	if rolling {
		return ErrBusy
	}
	d.hands.Lock()
	defer d.hands.Unlock()
	if ctx.Err() != nil { // all replicas are ending
		return context.Cause(ctx)
	}
	want := d.Desired()
	want.Version = version
	return d.launch(ctx, program, want)
}

// retire takes a replica out of service: first it gets no more orders, then it finishes those it
// has, then it ends.
func (d *Deployer) retire(r *Replica) {
	close(r.retired)
	defer d.forget(r)
	if d.wrong.noDrain {
		r.Kill()
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
	r.Kill()
	d.forget(r)
	d.mu.Lock()
	d.figures.restarts++
	n := d.figures.restarts
	d.mu.Unlock()
	slog.Warn("a replica was lost", "replica", r.Name, "restarts", n)
	d.wake()
}

// wake lets the control loop look now.
func (d *Deployer) wake() {
	select {
	case d.kick <- struct{}{}:
	default: // it was woken already
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
