package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
)

// Acts is how a person, a key or an experiment tells a running bench what to
// do. It is the one language of `lab do`, the keys and the timelines.
const Acts = `  burst N                    N orders at once
  order N EMAIL              N orders of one customer, such as nobody@bounce.test
  kill WHO                   SIGKILL: it cannot react
  stop WHO                   SIGTERM: it drains
  start WHO                  what was killed or stopped begins again
  pause WHO, resume WHO      SIGSTOP and SIGCONT: it hangs, and hangs no more
  restart WHO                stop and start
  scale KIND N               so many processes of a kind; +1 and -1 are one more, one less
  cut WHO, heal WHO          its connections carry nothing; they are mended (-proxy)
  slow WHO 100ms [50KB/s]    its connections take longer, carry less (-proxy)
  poison N                   N unreadable messages into the step's input
  duplicate N                N messages that come twice
WHO is a process (consumer-1), a kind (consumer: one of them by chance),
"every consumer", or a service (rabbitmq).`

// ErrCannot says that this system, or this run, cannot do what an act asks for.
// An experiment that meets it was not run, which is not the same as held.
var ErrCannot = errors.New("cannot be done here")

type verb struct {
	fault bool // something breaks
	do    func(*Bench, context.Context, []string) error
}

func verbs() map[string]verb {
	return map[string]verb{
		"burst":     {false, (*Bench).burst},
		"order":     {false, (*Bench).order},
		"kill":      {true, (*Bench).kill},
		"stop":      {true, (*Bench).halt},
		"start":     {false, (*Bench).begin},
		"pause":     {true, (*Bench).pause},
		"resume":    {false, (*Bench).resume},
		"restart":   {true, (*Bench).restart},
		"scale":     {false, (*Bench).scale},
		"cut":       {true, (*Bench).cut},
		"heal":      {false, (*Bench).heal},
		"slow":      {true, (*Bench).slow},
		"poison":    {true, (*Bench).poison},
		"duplicate": {true, (*Bench).duplicate},
	}
}

// Do carries out one act and returns when it is done. A service that was
// started is ready then; a process need not be.
func (b *Bench) Do(ctx context.Context, act string) error {
	_, err := b.Act(ctx, act)
	return err
}

// Act is [Bench.Do] that also returns what was done, with the process that
// chance has chosen.
func (b *Bench) Act(ctx context.Context, act string) (string, error) {
	words := strings.Fields(act)
	if len(words) == 0 {
		return "", fmt.Errorf("what is to be done?\n%s", Acts)
	}
	v, ok := verbs()[words[0]]
	if !ok {
		return "", fmt.Errorf("%q is nothing the lab can do; it can\n%s", words[0], Acts)
	}
	if err := b.cfg.Step.CheckAct(act); err != nil {
		return "", fmt.Errorf("%s: %w", act, err)
	}
	b.acts.RLock()
	defer b.acts.RUnlock()
	words, err := b.choose(words)
	if err != nil {
		return "", err
	}
	act = strings.Join(words, " ")
	b.say("▶ %s", act)
	b.mark(act, v.fault, b.inFlight(v.fault, words))
	if err := v.do(b, ctx, words[1:]); err != nil {
		return act, fmt.Errorf("%s: %w", act, err)
	}
	return act, nil
}

// choose replaces a kind by one of its processes, by chance: one that is up for
// acts that break, one that is down for start.
func (b *Bench) choose(words []string) ([]string, error) {
	if words[0] == "scale" || words[0] == "order" || len(words) < 2 ||
		len(words) > 2 && words[0] != "slow" {
		return words, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.procs, func(p *proc) bool { return p.name == words[1] }) {
		return words, nil
	}
	if _, isKind := b.cfg.Step.Process(words[1]); !isKind {
		return words, nil
	}
	var candidates []string
	for _, p := range b.procs {
		if p.kind.Name == words[1] && b.suits(words[0], p) {
			candidates = append(candidates, p.name)
		}
	}
	if len(candidates) == 0 {
		return nil, fmt.Errorf("%s: there is no %s for that now",
			strings.Join(words, " "), words[1])
	}
	chosen := slices.Clone(words)
	chosen[1] = candidates[b.rng.IntN(len(candidates))]
	return chosen, nil
}

// suits says whether an act has something to do for p. It is called with the
// lock held.
func (b *Bench) suits(verb string, p *proc) bool {
	hangs := p.state != down && p.child.Paused()
	switch verb {
	case "start":
		return p.state == down
	case "resume":
		return hangs
	case "heal":
		return b.wire != nil && b.wire.ails(p.name)
	default:
		return p.state != down && !hangs
	}
}

// inFlight is how many orders the processes hit by a fault may have held
// without having answered for them: what may be done twice because of it.
func (b *Bench) inFlight(fault bool, words []string) int {
	if !fault || len(words) < 2 {
		return 0
	}
	procs, service, err := b.find(words[1:])
	if err != nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if service != nil {
		procs = b.procs // a dead broker hits everyone
	}
	n := 0
	for _, p := range procs {
		if p.state != down {
			n += p.kind.InFlight
		}
	}
	return n
}

// find reads WHO: one process, every process of a kind, or a service.
func (b *Bench) find(words []string) ([]*proc, Service, error) {
	if len(words) == 0 {
		return nil, nil, fmt.Errorf("whom? %s", b.everybody())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if words[0] == "every" && len(words) > 1 {
		kind := strings.TrimSuffix(words[1], "s")
		var all []*proc
		for _, p := range b.procs {
			if p.kind.Name == words[1] || p.kind.Name == kind {
				all = append(all, p)
			}
		}
		if len(all) > 0 {
			return all, nil, nil
		}
	}
	for _, p := range b.procs {
		if p.name == words[0] || p.name+"-1" == words[0] {
			return []*proc{p}, nil, nil
		}
	}
	for _, s := range b.cfg.Services {
		if s.Name() == words[0] {
			return nil, s, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no %q here: %s",
		strings.Join(words, " "), b.everybodyLocked())
}

func (b *Bench) everybody() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.everybodyLocked()
}

func (b *Bench) everybodyLocked() string {
	var names []string
	for _, p := range b.procs {
		names = append(names, p.name)
	}
	for _, s := range b.cfg.Services {
		names = append(names, s.Name())
	}
	return strings.Join(names, ", ")
}

// each does something to every process that was named, or to the service.
func (b *Bench) each(
	words []string, toProc func(*proc) error, toService func(Service) error,
) error {
	procs, service, err := b.find(words)
	if err != nil {
		return err
	}
	if service != nil {
		if !service.Owned() {
			return fmt.Errorf("%s was not started by the lab, so it leaves it alone: %w",
				service.Name(), ErrCannot)
		}
		return toService(service)
	}
	var errs []error
	for _, p := range procs {
		errs = append(errs, toProc(p))
	}
	return errors.Join(errs...)
}

func (b *Bench) burst(ctx context.Context, words []string) error {
	n, err := number(words, 1, manifest.MaxBurst)
	if err != nil {
		return err
	}
	accepted, err := b.Place(ctx, n)
	if err != nil {
		return fmt.Errorf("%d of %d were accepted: %w", accepted, n, err)
	}
	return nil
}

// order lets one customer place N orders, each in a request of its own: what ails
// one of them must not keep the shop from the others. That the shop refuses some
// is no mistake of the act's; it is in the ledger.
func (b *Bench) order(ctx context.Context, words []string) error {
	n, email, err := manifest.ParseOrder(words)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"user_email": email,
		"items":      []map[string]any{{"sku": "GO-GOPHER", "quantity": 1, "price_cents": 1999}},
	})
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	var requests errgroup.Group // for its limit alone
	requests.SetLimit(100)
	for range n {
		requests.Go(func() error {
			_, err := b.place(ctx, 1, string(body))
			b.complain(err)
			return nil
		})
	}
	return requests.Wait()
}

// Mend brings everything back that acts have broken: services that are down,
// processes that hang or are cut off, and one process of every kind that has
// none left. What is still open after that, and stays open, was lost.
func (b *Bench) Mend(ctx context.Context) error {
	// A restart that is under way is not yet broken, and not yet mended.
	idle := make(chan struct{})
	go func() {
		b.acts.Lock()
		defer b.acts.Unlock()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		return fmt.Errorf("wait for an act to end: %w", context.Cause(ctx))
	}
	b.mu.Lock()
	procs := slices.Clone(b.procs)
	services := slices.Clone(b.cfg.Services)
	b.mu.Unlock()
	var errs []error
	for _, s := range services {
		b.mu.Lock()
		held := b.heldServices[s.Name()]
		b.mu.Unlock()
		if held {
			errs = append(errs, b.Do(ctx, "resume "+s.Name()))
		}
		if b.serviceIsDown(s) {
			errs = append(errs, b.Do(ctx, "start "+s.Name()))
		}
		if b.wire != nil && b.wire.ails(hostOf(s)) {
			errs = append(errs, b.Do(ctx, "heal "+s.Name()))
		}
	}
	for _, p := range procs {
		b.mu.Lock()
		hangs := p.state != down && p.child.Paused()
		b.mu.Unlock()
		if hangs {
			errs = append(errs, b.Do(ctx, "resume "+p.name))
		}
		if b.wire != nil && b.wire.ails(p.name) {
			errs = append(errs, b.Do(ctx, "heal "+p.name))
		}
	}
	for _, kind := range b.cfg.Step.Processes {
		if running, idle := b.members(kind); len(running) == 0 && len(idle) > 0 {
			errs = append(errs, b.Do(ctx, "start "+idle[0].name))
		}
	}
	return errors.Join(errs...)
}

func (b *Bench) serviceIsDown(s Service) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.downServices[s.Name()]
}

// ofService does something to a service and remembers whether it is up after it.
func (b *Bench) ofService(s Service, do func() error, downAfter bool) error {
	err := do()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.downServices == nil {
		b.downServices = map[string]bool{}
	}
	b.downServices[s.Name()] = downAfter || err != nil
	return err
}

func (b *Bench) kill(ctx context.Context, words []string) error {
	return b.each(words,
		func(p *proc) error { return b.stop(ctx, p, true) },
		func(s Service) error {
			return b.ofService(s, func() error { return s.Kill(ctx) }, true)
		})
}

func (b *Bench) halt(ctx context.Context, words []string) error {
	return b.each(words,
		func(p *proc) error { return b.stop(ctx, p, false) },
		func(s Service) error {
			return b.ofService(s, func() error { return s.Stop(ctx) }, true)
		})
}

func (b *Bench) begin(ctx context.Context, words []string) error {
	return b.each(words, b.start, func(s Service) error {
		return b.ofService(s, func() error { return s.Start(ctx) }, false)
	})
}

func (b *Bench) restart(ctx context.Context, words []string) error {
	return b.each(words,
		func(p *proc) error {
			if err := b.stop(ctx, p, false); err != nil {
				return err
			}
			return b.start(p)
		},
		func(s Service) error {
			return b.ofService(s, func() error {
				if err := s.Stop(ctx); err != nil {
					return err
				}
				return s.Start(ctx)
			}, false)
		})
}

func (b *Bench) pause(ctx context.Context, words []string) error {
	return b.each(words,
		func(p *proc) error { return b.hold(p, true) },
		func(s Service) error { return b.holdService(ctx, s, true) })
}

func (b *Bench) resume(ctx context.Context, words []string) error {
	return b.each(words,
		func(p *proc) error { return b.hold(p, false) },
		func(s Service) error { return b.holdService(ctx, s, false) })
}

// pausable is a service that can be made to hang.
type pausable interface {
	Pause(context.Context) error
	Resume(context.Context) error
}

func (b *Bench) holdService(ctx context.Context, s Service, on bool) error {
	p, ok := s.(pausable)
	if !ok {
		return fmt.Errorf("%s can be killed, not paused: %w", s.Name(), ErrCannot)
	}
	act := p.Resume
	if on {
		act = p.Pause
	}
	if err := act(ctx); errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%s can be killed, not paused: %w", s.Name(), ErrCannot)
	} else if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heldServices == nil {
		b.heldServices = map[string]bool{}
	}
	b.heldServices[s.Name()] = on
	return nil
}

func (b *Bench) hold(p *proc, on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.state == down {
		return fmt.Errorf("%s is not running", p.name)
	}
	act, next := p.child.Resume, up
	if on {
		act, next = p.child.Pause, paused
	}
	if err := act(); errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("this system cannot pause a process: %w", ErrCannot)
	} else if err != nil {
		return err
	}
	if p.state != coming {
		p.state = next
	}
	return nil
}

// scale starts what is missing, those that were killed or stopped first, and
// stops what is too much, the newest first.
func (b *Bench) scale(ctx context.Context, words []string) error {
	if len(words) != 2 {
		return errors.New("which kind, and how many? scale consumer 4")
	}
	kind, ok := b.cfg.Step.Process(words[0])
	if !ok {
		return fmt.Errorf("there is no kind of process %q here", words[0])
	}
	want, relative, err := manifest.ParseScale(words[1])
	if err != nil {
		return err
	}
	running, idle := b.members(kind)
	if relative {
		want = min(max(0, len(running)+want), manifest.MaxScale)
	}
	for i := len(running); i < want; i++ {
		if len(idle) > 0 {
			err, idle = b.start(idle[0]), idle[1:]
		} else {
			_, err = b.add(kind)
		}
		if err != nil {
			return err
		}
	}
	if len(running) > want {
		return errors.Join(b.stopAll(ctx, running[want:])...)
	}
	return nil
}

func (b *Bench) members(kind manifest.Process) (running, idle []*proc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.procs {
		switch {
		case p.kind.Name != kind.Name:
		case p.state == down:
			idle = append(idle, p)
		default:
			running = append(running, p)
		}
	}
	return running, idle
}

// Running is how many processes of a kind are running, ready or not.
func (b *Bench) Running(kind string) int {
	k, ok := b.cfg.Step.Process(kind)
	if !ok {
		return 0
	}
	running, _ := b.members(k)
	return len(running)
}

func (b *Bench) cut(ctx context.Context, words []string) error {
	return b.onWire(words, func(name string) error { return b.wire.cut(ctx, name) })
}

func (b *Bench) heal(ctx context.Context, words []string) error {
	return b.onWire(words, func(name string) error { return b.wire.heal(ctx, name) })
}

func (b *Bench) slow(ctx context.Context, words []string) error {
	who, how, err := manifest.ParseSlow(words)
	if err != nil {
		return err
	}
	return b.onWire(who, func(name string) error { return b.wire.slow(ctx, name, how) })
}

func (b *Bench) onWire(words []string, act func(string) error) error {
	if b.wire == nil {
		return fmt.Errorf("this run has no proxy between its processes and services "+
			"(make run-NN ARGS=-proxy): %w", ErrCannot)
	}
	procs, service, err := b.find(words)
	if err != nil {
		return err
	}
	if service != nil {
		if host := hostOf(service); host != "" {
			return act(host)
		}
		b.mu.Lock()
		procs = slices.Clone(b.procs)
		b.mu.Unlock()
	}
	var errs []error
	for _, p := range procs {
		errs = append(errs, act(p.name))
	}
	return errors.Join(errs...)
}

// hostOf is host and port of a service that tells them. Of several servers of a
// kind, such as redis-1 to redis-5, one alone can be cut off by it.
func hostOf(s Service) string {
	if told, ok := s.(interface{ Host() string }); ok {
		return told.Host()
	}
	return ""
}

func (b *Bench) poison(ctx context.Context, words []string) error {
	return b.inject(ctx, b.cfg.Step.Inject.Poison, words)
}

func (b *Bench) duplicate(ctx context.Context, words []string) error {
	return b.inject(ctx, b.cfg.Step.Inject.Duplicate, words)
}

// inject runs the step's own tool: only the step knows what its input is.
func (b *Bench) inject(ctx context.Context, command, words []string) error {
	if len(command) == 0 {
		return fmt.Errorf("this step has no tool for it: %w", ErrCannot)
	}
	if len(words) == 0 {
		words = []string{"1"}
	}
	n, err := number(words, 1, manifest.MaxInject)
	if err != nil {
		return err
	}
	env, err := b.environment(&proc{name: "inject"})
	if err != nil {
		return err
	}
	args := append(slices.Clone(command[1:]), "-count", strconv.Itoa(n))
	tool := exec.CommandContext(ctx, filepath.Join(b.cfg.Bin, filepath.Base(command[0])), args...)
	tool.Env = env
	out, err := tool.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	// What the tool says of orders counts: a second message of one order is no
	// ghost.
	for raw := range bytes.Lines(out) {
		b.hear(history.ParseLine("inject", bytes.TrimRight(raw, "\n")))
	}
	return nil
}

func number(words []string, low, high int) (int, error) {
	return manifest.ParseNumber(words, low, high)
}
