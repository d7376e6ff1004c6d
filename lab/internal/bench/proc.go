package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"course.example/lab/internal/act"
	"course.example/lab/internal/child"
	"course.example/lab/internal/manifest"
)

type state int

const (
	down   state = iota // never started, stopped or killed on purpose
	coming              // started, not yet ready
	up
	paused
)

// proc is one process of the step: a place that a program is started into,
// several times over when it dies. It is an [act.Target].
type proc struct {
	sup  *supervisor
	name string
	kind manifest.Process // as it was at the start of the run
	addr string           // where it serves HTTP, the same for all its lives

	// The rest is guarded by supervisor.mu.
	def    manifest.Process // what the next life is started by
	state  state
	asked  bool // the end was asked for: do not start it again
	child  *child.Process
	ready  chan struct{} // closed when this life is ready
	gone   chan struct{} // closed when this life has been read to its end
	since  time.Time     // start of this life, zero when there is none
	deaths []time.Time   // recent ends that nobody asked for
}

// Name is the process's name: consumer-1.
func (p *proc) Name() string { return p.name }

// Running says whether the process runs, ready or not.
func (p *proc) Running() bool {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	return p.state != down
}

// Hangs says whether the process was paused.
func (p *proc) Hangs() bool {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	return p.state != down && p.child.Paused()
}

// Impaired says whether the process's connections are cut or slow.
func (p *proc) Impaired() bool { return p.sup.wire.impaired(p.name) }

// Kill ends the process with SIGKILL.
func (p *proc) Kill(ctx context.Context) error { return p.sup.stop(ctx, p, true) }

// Stop asks the process to end and waits for that.
func (p *proc) Stop(ctx context.Context) error { return p.sup.stop(ctx, p, false) }

// Start starts the process, and does not wait for it to be ready.
func (p *proc) Start(context.Context) error { return p.sup.start(p) }

// Pause lets the process hang.
func (p *proc) Pause(context.Context) error { return p.hold(true) }

// Resume lets the process run on.
func (p *proc) Resume(context.Context) error { return p.hold(false) }

// Cut cuts the process's connections.
func (p *proc) Cut(ctx context.Context) error { return p.sup.wire.cut(ctx, p.name) }

// Slow makes the process's connections slow.
func (p *proc) Slow(ctx context.Context, how act.Slow) error {
	return p.sup.wire.slow(ctx, p.name, how)
}

// Heal mends the process's connections.
func (p *proc) Heal(ctx context.Context) error { return p.sup.wire.heal(ctx, p.name) }

// Isolate says that a process has no others of its kind to talk to.
func (p *proc) Isolate(context.Context) error {
	return fmt.Errorf("%s is no server of a cluster: cut it: %w", p.name, act.ErrCannot)
}

func (p *proc) hold(on bool) error {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	if p.state == down {
		return fmt.Errorf("%s is not running", p.name)
	}
	hold, next := p.child.Resume, up
	if on {
		hold, next = p.child.Pause, paused
	}
	if err := hold(); errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("this system cannot pause a process: %w", act.ErrCannot)
	} else if err != nil {
		return err
	}
	if p.state != coming {
		p.state = next
	}
	return nil
}
