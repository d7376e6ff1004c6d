package bench

import (
	"cmp"
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

	"course.example/lab/internal/act"
	"course.example/lab/internal/child"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
)

// supervisor looks after the processes of a run: it starts them, reads what they write, and starts
// those again that die unasked. Its methods are safe for concurrent use, and call the record and
// the printer without holding the lock.
type supervisor struct {
	cfg     Config
	record  *record
	printer *printer
	client  *http.Client
	wire    *wire  // nil when the config does not want it
	shared  string // within the run's folder: what the processes of this bench share
	ctx     context.Context
	cancel  context.CancelFunc
	group   sync.WaitGroup // of lives, until they are read to their end

	mu      sync.Mutex
	bin     string // where the programs are
	variant manifest.Variant
	procs   []*proc
	lives   []history.Life // those that have ended
	closing bool
	broken  error         // a process that cannot be kept up
	loops   int           // such processes
	crashes int           // ends that nobody had asked for
	slowest time.Duration // that a process took to be ready, at the start
	release func() error  // gives the claimed port back
	// addresses are where the HTTP processes of a kind serve, or will.
	addresses map[string][]string
}

// shutdownGrace is how long a process may drain before it is killed. It is more
// than shop.DrainTimeout.
const shutdownGrace = 15 * time.Second

// Too many deaths in too short a time: starting it again does not help.
const (
	maxDeaths   = 5
	deathWindow = 15 * time.Second
)

// startKind starts so many of a kind and waits for them: what one kind declares
// as it starts, such as a queue, is there when the next kind looks for it.
func (s *supervisor) startKind(ctx context.Context, kind manifest.Process, n int) error {
	began := time.Now()
	var procs []*proc
	for range n {
		p, err := s.add(kind)
		if err != nil {
			return err
		}
		procs = append(procs, p)
	}
	for _, p := range procs {
		if err := s.awaitReady(ctx, p, 30*time.Second); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, time.Since(began))
	return nil
}

// Slowest is how long it took until the processes of a kind were ready, at the start of the run,
// when nothing was broken yet: that of the kind which took longest.
func (s *supervisor) Slowest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slowest
}

// ErrCrashLoop says that a process ends as often as it is started.
var ErrCrashLoop = errors.New("ends as often as it is started")

// Crashes is how often a process ended that nobody had ended, and how many processes did so again
// and again, until they were given up.
func (s *supervisor) Crashes() (crashes, loops int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashes, s.loops
}

// Err is not nil once a process could not be kept up: an [ErrCrashLoop].
func (s *supervisor) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Add makes a place for one more process of a kind and starts it.
func (s *supervisor) Add(kind string) error {
	k, ok := s.cfg.Step.Process(kind)
	if !ok {
		return fmt.Errorf("there is no kind of process %q here", kind)
	}
	_, err := s.add(k)
	return err
}

func (s *supervisor) add(kind manifest.Process) (*proc, error) {
	s.mu.Lock()
	p := &proc{sup: s, kind: kind, def: kind, name: s.freeName(kind)}
	if kind.HTTP {
		addr, err := s.nextAddr(kind)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		p.addr = addr
	}
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	return p, s.start(p)
}

// freeName is the name of the next process of a kind. It is called with the lock
// held.
func (s *supervisor) freeName(kind manifest.Process) string {
	return s.nameOf(kind, s.numberOf(kind))
}

// nameOf is producer for a kind of which there is one, consumer-2 otherwise.
func (s *supervisor) nameOf(kind manifest.Process, n int) string {
	want := kind.Count
	if n, ok := s.cfg.Scale[kind.Name]; ok {
		want = n
	}
	if n == 0 && want <= 1 && kind.HTTP {
		return kind.Name
	}
	return fmt.Sprintf("%s-%d", kind.Name, n+1)
}

// numberOf counts the processes of a kind, running or not. It is called with the
// lock held.
func (s *supervisor) numberOf(kind manifest.Process) int {
	n := 0
	for _, p := range s.procs {
		if p.kind.Name == kind.Name {
			n++
		}
	}
	return n
}

// start begins a life of p. It does not wait for it to be ready.
func (s *supervisor) start(p *proc) error {
	env, err := s.environment(p)
	if err != nil {
		return err
	}
	out := &lines{emit: func(raw []byte) { s.read(p, raw) }}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errors.New("the run is ending")
	}
	if p.state != down {
		return fmt.Errorf("%s is already running", p.name)
	}
	c, err := child.Start(child.Spec{
		Name: p.name, Path: s.path(s.bin, p), Args: p.def.Args,
		Dir: s.cfg.Step.Dir, Env: env,
		Stdout: out, Stderr: out, Tail: 10, Record: s.cfg.Run.Children,
	})
	if err != nil {
		return err
	}
	p.child, p.state, p.asked, p.since = c, coming, false, time.Now()
	p.ready, p.gone = make(chan struct{}), make(chan struct{})
	s.group.Go(func() { s.watch(p, c, out) })
	if p.kind.HTTP {
		ready := p.ready
		s.group.Go(func() { s.pollHealth(p, c, ready) })
	}
	return nil
}

// read takes one line of output.
func (s *supervisor) read(p *proc, raw []byte) {
	line := history.ParseLine(p.name, raw)
	s.record.observe(line)
	if !p.kind.HTTP && line.Ready() {
		s.becameReady(p)
	}
	s.printer.add(line)
}

func (s *supervisor) becameReady(p *proc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state == coming {
		p.state = up
		close(p.ready)
	}
}

// pollHealth asks one life of p for its health until it is well.
func (s *supervisor) pollHealth(p *proc, c *child.Process, ready <-chan struct{}) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.healthy(p) {
			s.becameReady(p)
			return
		}
		select {
		case <-tick.C:
		case <-ready:
			return
		case <-c.Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *supervisor) healthy(p *proc) bool {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return errors.Join(err, resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
}

// watch waits for the end of one life and, when nobody asked for it, begins the
// next one.
func (s *supervisor) watch(p *proc, c *child.Process, out *lines) {
	<-c.Done()
	out.end()
	how, code := ending(c)
	s.mu.Lock()
	s.lives = append(s.lives, history.Life{
		Process: p.name, From: p.since, To: time.Now(), End: how,
	})
	early := p.state == coming
	again := !p.asked && !s.closing
	p.state, p.since = down, time.Time{}
	gone := p.gone
	var pause time.Duration
	if again {
		s.crashes++
		pause, again = p.died(time.Now())
		if !again || early && code == usageError {
			again = false
			s.loops++
			s.broken = cmp.Or(s.broken, fmt.Errorf("%s %w (%s); its last lines:\n%s",
				p.name, ErrCrashLoop, how, strings.Join(c.Tail(), "\n")))
		}
	}
	s.mu.Unlock()
	close(gone)
	if !again {
		return
	}
	s.printer.say("%s died unasked (%s): starting it again", p.name, how)
	s.startAgain(p, pause)
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

func (s *supervisor) startAgain(p *proc, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-s.ctx.Done():
		return
	}
	if err := s.start(p); err != nil && s.ctx.Err() == nil {
		s.printer.say("%s could not be started again: %v", p.name, err)
	}
}

// awaitReady waits for the present life of p to be ready.
func (s *supervisor) awaitReady(ctx context.Context, p *proc, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s.mu.Lock()
		c, ready, st, broken := p.child, p.ready, p.state, s.broken
		s.mu.Unlock()
		if broken != nil {
			return broken
		}
		if st == up {
			return nil
		}
		// A life that ends before it is ready is followed by another, or by
		// s.broken: look again a little later.
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
func (s *supervisor) stop(ctx context.Context, p *proc, kill bool) error {
	s.mu.Lock()
	c, st, gone := p.child, p.state, p.gone
	if st == down {
		s.mu.Unlock()
		return fmt.Errorf("%s is not running", p.name)
	}
	p.asked = true
	s.mu.Unlock()

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

// close stops the processes, those that take orders first, and waits until all that they wrote
// has been read. Safe to call twice.
func (s *supervisor) close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	procs := slices.Clone(s.procs)
	s.mu.Unlock()
	var errs []error
	for _, front := range []bool{true, false} {
		var group sync.WaitGroup
		ends := make([]error, len(procs))
		for i, p := range procs {
			if p.kind.Orders == front {
				group.Go(func() { ends[i] = s.end(ctx, p) })
			}
		}
		group.Wait()
		errs = append(errs, ends...)
	}
	s.cancel()
	s.group.Wait()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release != nil {
		errs = append(errs, s.release())
		s.release = nil
	}
	return errors.Join(errs...)
}

// end stops p if it runs, and lets it not begin again.
func (s *supervisor) end(ctx context.Context, p *proc) error {
	s.mu.Lock()
	running := p.state != down
	p.asked = true
	s.mu.Unlock()
	if !running {
		return nil
	}
	return s.stop(ctx, p, false)
}

// Running is how many processes of a kind are running, ready or not.
func (s *supervisor) Running(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.procs {
		if p.kind.Name == kind && p.state != down {
			n++
		}
	}
	return n
}

// up counts the processes that are up, by kind.
func (s *supervisor) up() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, p := range s.procs {
		if p.state == up {
			n[p.kind.Name]++
		}
	}
	return n
}

// allLives are the lives of all processes, those that go on until now.
func (s *supervisor) allLives() []history.Life {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.lives)
	for _, p := range s.procs {
		if !p.since.IsZero() {
			all = append(all, history.Life{Process: p.name, From: p.since, To: time.Now()})
		}
	}
	return all
}

// all are the processes, running or not.
func (s *supervisor) all() []*proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.procs)
}

// Members are the processes of a kind, running or not.
func (s *supervisor) Members(kind string) ([]act.Target, error) {
	if _, ok := s.cfg.Step.Process(kind); !ok {
		return nil, fmt.Errorf("there is no kind of process %q here", kind)
	}
	var members []act.Target
	for _, p := range s.all() {
		if p.kind.Name == kind {
			members = append(members, p)
		}
	}
	return members, nil
}

// doors are where those processes serve that take orders and are up, or else those that may be.
func (s *supervisor) doors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready, rest []string
	for _, p := range s.procs {
		switch {
		case !p.kind.Orders || p.addr == "":
		case p.state == up:
			ready = append(ready, p.addr)
		case p.state != down:
			rest = append(rest, p.addr)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return rest
}

// doorsOf are where the processes of a kind serve, or are about to.
func (s *supervisor) doorsOf(kind string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var doors []string
	for _, p := range s.procs {
		if p.kind.Name == kind && p.addr != "" && p.state != down {
			doors = append(doors, p.addr)
		}
	}
	return doors
}

// ShopURL is where a student may place orders, or "".
func (s *supervisor) ShopURL() string {
	for _, p := range s.all() {
		if p.kind.Orders && p.addr != "" {
			return "http://" + p.addr
		}
	}
	return ""
}
