package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/history"
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
// several times over when it dies.
type proc struct {
	name string
	kind manifest.Process
	addr string // where it serves HTTP, the same for all its lives

	// The rest is guarded by Bench.mu.
	state  state
	asked  bool // the end was asked for: do not start it again
	child  *child.Process
	ready  chan struct{} // closed when this life is ready
	gone   chan struct{} // closed when this life has been read to its end
	since  time.Time     // start of this life, zero when there is none
	deaths []time.Time   // recent ends that nobody asked for
}

// shutdownGrace is how long a process may drain before it is killed. It is more
// than shop.DrainTimeout.
const shutdownGrace = 15 * time.Second

// Too many deaths in too short a time: starting it again does not help.
const (
	maxDeaths   = 5
	deathWindow = 15 * time.Second
)

// add makes a place for one more process of a kind and starts it.
func (b *Bench) add(kind manifest.Process) (*proc, error) {
	b.mu.Lock()
	p := &proc{kind: kind, name: b.freeName(kind)}
	if kind.HTTP {
		addr, err := b.nextAddr(kind)
		if err != nil {
			b.mu.Unlock()
			return nil, err
		}
		p.addr = addr
	}
	b.procs = append(b.procs, p)
	b.mu.Unlock()
	return p, b.start(p)
}

// freeName is the name of the next process of a kind. It is called with the lock
// held.
func (b *Bench) freeName(kind manifest.Process) string {
	return b.nameOf(kind, b.numberOf(kind))
}

// nameOf is producer for a kind of which there is one, consumer-2 otherwise.
func (b *Bench) nameOf(kind manifest.Process, n int) string {
	want := kind.Count
	if s, ok := b.cfg.Scale[kind.Name]; ok {
		want = s
	}
	if n == 0 && want <= 1 && kind.HTTP {
		return kind.Name
	}
	return fmt.Sprintf("%s-%d", kind.Name, n+1)
}

// numberOf counts the processes of a kind, running or not. It is called with the
// lock held.
func (b *Bench) numberOf(kind manifest.Process) int {
	n := 0
	for _, p := range b.procs {
		if p.kind.Name == kind.Name {
			n++
		}
	}
	return n
}

// start begins a life of p. It does not wait for it to be ready.
func (b *Bench) start(p *proc) error {
	env, err := b.environment(p)
	if err != nil {
		return err
	}
	out := &lines{emit: func(raw []byte) { b.read(p, raw) }}

	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return errors.New("the run is ending")
	}
	if p.state != down {
		return fmt.Errorf("%s is already running", p.name)
	}
	c, err := child.Start(child.Spec{
		Name: p.name, Path: programOf(b.cfg, p.kind.Package), Args: p.kind.Args,
		Dir: b.cfg.Step.Dir, Env: env,
		Stdout: out, Stderr: out, Tail: 10, Record: b.cfg.Run.Children,
	})
	if err != nil {
		return err
	}
	p.child, p.state, p.asked, p.since = c, coming, false, time.Now()
	p.ready, p.gone = make(chan struct{}), make(chan struct{})
	b.group.Go(func() { b.watch(p, c, out) })
	if p.kind.HTTP {
		ready := p.ready
		b.group.Go(func() { b.pollHealth(p, c, ready) })
	}
	return nil
}

// read takes one line of output.
func (b *Bench) read(p *proc, raw []byte) {
	line := history.ParseLine(p.name, raw)
	b.hear(line)
	b.gauge(line)
	if !p.kind.HTTP && line.Ready() {
		b.becameReady(p)
	}
	b.printer.add(line)
}

func (b *Bench) becameReady(p *proc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.state == coming {
		p.state = up
		close(p.ready)
	}
}

// pollHealth asks one life of p for its health until it is well.
func (b *Bench) pollHealth(p *proc, c *child.Process, ready <-chan struct{}) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if b.healthy(p) {
			b.becameReady(p)
			return
		}
		select {
		case <-tick.C:
		case <-ready:
			return
		case <-c.Done():
			return
		case <-b.ctx.Done():
			return
		}
	}
}

func (b *Bench) healthy(p *proc) bool {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return errors.Join(err, resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
}

// watch waits for the end of one life and, when nobody asked for it, begins the
// next one.
func (b *Bench) watch(p *proc, c *child.Process, out *lines) {
	<-c.Done()
	out.end()
	how, code := ending(c)
	b.mu.Lock()
	b.history.Lives = append(b.history.Lives, history.Life{
		Process: p.name, From: p.since, To: time.Now(), End: how,
	})
	early := p.state == coming
	again := !p.asked && !b.closing && b.broken == nil
	p.state, p.since = down, time.Time{}
	gone := p.gone
	var pause time.Duration
	if again {
		pause, again = p.died(time.Now())
		if !again || early && code == usageError {
			again = false
			b.broken = fmt.Errorf("%s ends as often as it is started (%s); its last lines:\n%s",
				p.name, how, strings.Join(c.Tail(), "\n"))
		}
	}
	b.mu.Unlock()
	close(gone)
	if !again {
		return
	}
	b.say("%s died unasked (%s): starting it again", p.name, how)
	b.startAgain(p, pause)
}

// usageError is the exit code of a program that was started wrongly. It is also
// that of a Go panic, which is why it counts only before the program was ready.
const usageError = 2

func ending(c *child.Process) (how string, code int) {
	err := c.Err()
	if err == nil {
		return "exit status 0", 0
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return err.Error(), exit.ExitCode()
	}
	return err.Error(), -1
}

// died counts an end that nobody asked for and returns how long to wait before
// the next start, and whether to try at all.
func (p *proc) died(now time.Time) (time.Duration, bool) {
	p.deaths = append(slices.DeleteFunc(p.deaths, func(t time.Time) bool {
		return now.Sub(t) > deathWindow
	}), now)
	return time.Duration(len(p.deaths)-1) * 500 * time.Millisecond, len(p.deaths) < maxDeaths
}

func (b *Bench) startAgain(p *proc, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-b.ctx.Done():
		return
	}
	if err := b.start(p); err != nil && b.ctx.Err() == nil {
		b.say("%s could not be started again: %v", p.name, err)
	}
}

// awaitReady waits for the present life of p to be ready.
func (b *Bench) awaitReady(ctx context.Context, p *proc, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		b.mu.Lock()
		c, ready, st, broken := p.child, p.ready, p.state, b.broken
		b.mu.Unlock()
		if broken != nil {
			return broken
		}
		if st == up {
			return nil
		}
		// A life that ends before it is ready is followed by another, or by
		// b.broken: look again a little later.
		look := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ready:
		case <-look.C:
		case <-timer.C:
			look.Stop()
			return fmt.Errorf("%s was not ready within %v; its last lines:\n%s",
				p.name, limit, strings.Join(c.Tail(), "\n"))
		case <-ctx.Done():
			look.Stop()
			return fmt.Errorf("wait for %s: %w", p.name, context.Cause(ctx))
		}
		look.Stop()
	}
}

// stop ends p in the given way and waits for its last line.
func (b *Bench) stop(ctx context.Context, p *proc, kill bool) error {
	b.mu.Lock()
	c, st, gone := p.child, p.state, p.gone
	if st == down {
		b.mu.Unlock()
		return fmt.Errorf("%s is not running", p.name)
	}
	p.asked = true
	b.mu.Unlock()

	var err error
	if kill {
		err = c.Kill()
	} else {
		err = c.Stop(shutdownGrace)
	}
	select {
	case <-gone:
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

func (b *Bench) stopAll(ctx context.Context, procs []*proc) []error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for _, p := range procs {
		wg.Go(func() {
			b.mu.Lock()
			running := p.state != down
			p.asked = true
			b.mu.Unlock()
			if !running {
				return
			}
			if err := b.stop(ctx, p, false); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}
