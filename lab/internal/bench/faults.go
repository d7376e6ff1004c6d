package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"course.example/lab/internal/act"
)

// ErrCannot is [act.ErrCannot].
var ErrCannot = act.ErrCannot

// faults carries out acts, and knows which servers they have broken. Its methods are safe for
// concurrent use, and call nobody with the lock held.
type faults struct {
	step    act.Step
	run     act.Run
	sup     *supervisor
	record  *record
	servers []*server
	// acts is held for reading by every act that is under way.
	acts sync.RWMutex

	mu  sync.Mutex
	rng *rand.Rand
}

func newFaults(cfg Config, b *Bench) *faults {
	f := &faults{
		step: cfg.Step, run: b, sup: b.supervisor, record: b.record,
		rng: rand.New(rand.NewPCG(cfg.Seed, 0)),
	}
	for _, s := range cfg.Services {
		f.servers = append(f.servers, &server{Service: s, sup: b.supervisor})
	}
	return f
}

// Do carries out one act and returns when it is done. A service that was
// started is ready then; a process need not be.
func (f *faults) Do(ctx context.Context, text string) error {
	_, err := f.Act(ctx, text)
	return err
}

// Act is [Bench.Do] that also returns what was done, with the process that
// chance has chosen.
func (f *faults) Act(ctx context.Context, text string) (string, error) {
	a, words, err := act.Parse(text)
	if err != nil {
		return "", err
	}
	if err := a.Check(f.step, words); err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	f.acts.RLock()
	defer f.acts.RUnlock()
	words, err = f.choose(a, words)
	if err != nil {
		return "", err
	}
	text = strings.Join(append([]string{a.Name}, words...), " ")
	f.sup.printer.say("▶ %s", text)
	f.record.mark(text, a.Fault, f.inFlight(a, words))
	if err := a.Do(ctx, f.run, words); err != nil {
		return text, fmt.Errorf("%s: %w", text, err)
	}
	return text, nil
}

// choose replaces a kind by one of its processes, by chance.
func (f *faults) choose(a act.Act, words []string) ([]string, error) {
	if a.Suits == nil || len(words) == 0 || !slices.Contains(f.step.Kinds(), words[0]) {
		return words, nil
	}
	members, err := f.sup.Members(words[0])
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(members, func(t act.Target) bool { return t.Name() == words[0] }) {
		return words, nil
	}
	members = slices.DeleteFunc(members, func(t act.Target) bool { return !a.Suits(t) })
	if len(members) == 0 {
		return nil, fmt.Errorf("%s %s: there is no %s for that now",
			a.Name, strings.Join(words, " "), words[0])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	chosen := slices.Clone(words)
	chosen[0] = members[f.rng.IntN(len(members))].Name()
	return chosen, nil
}

// inFlight is how many orders the processes hit by a fault may have held
// without having answered for them: what may be done twice because of it.
func (f *faults) inFlight(a act.Act, words []string) int {
	if !a.Fault {
		return 0
	}
	hit, err := f.Find(words)
	if err != nil {
		return 0
	}
	n := 0
	for _, t := range hit {
		switch t := t.(type) {
		case *server: // a dead broker hits everyone
			for _, p := range f.sup.all() {
				n += p.held()
			}
		case *proc:
			n += t.held()
		}
	}
	return n
}

// held is how many orders a process may hold.
func (p *proc) held() int {
	if !p.Running() {
		return 0
	}
	return p.kind.InFlight
}

// Find reads WHO: one process, every process of a kind, or a service.
func (f *faults) Find(words []string) ([]act.Target, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("whom? %s", strings.Join(f.everybody(), ", "))
	}
	procs := f.sup.all()
	if words[0] == "every" && len(words) > 1 {
		kind := strings.TrimSuffix(words[1], "s")
		var every []act.Target
		for _, p := range procs {
			if p.kind.Name == words[1] || p.kind.Name == kind {
				every = append(every, p)
			}
		}
		if len(every) > 0 {
			return every, nil
		}
	}
	for _, p := range procs {
		if p.name == words[0] || p.name+"-1" == words[0] {
			return []act.Target{p}, nil
		}
	}
	for _, s := range f.servers {
		if s.Name() == words[0] {
			return []act.Target{s}, nil
		}
	}
	return nil, fmt.Errorf("there is no %q here: %s",
		strings.Join(words, " "), strings.Join(f.everybody(), ", "))
}

func (f *faults) everybody() []string {
	var names []string
	for _, p := range f.sup.all() {
		names = append(names, p.name)
	}
	for _, s := range f.servers {
		names = append(names, s.Name())
	}
	return names
}

// Mend brings everything back that acts have broken: services that are down,
// processes that hang or are cut off, and one process of every kind that has
// none left. What is still open after that, and stays open, was lost.
func (f *faults) Mend(ctx context.Context) error {
	// A restart that is under way is not yet broken, and not yet mended.
	idle := make(chan struct{})
	go func() {
		f.acts.Lock()
		defer f.acts.Unlock()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		return fmt.Errorf("wait for an act to end: %w", context.Cause(ctx))
	}
	var errs []error
	for _, s := range f.servers {
		errs = append(errs, f.mend(ctx, s, !s.Running()))
	}
	for _, p := range f.sup.all() {
		errs = append(errs, f.mend(ctx, p, f.sup.Running(p.kind.Name) == 0))
	}
	return errors.Join(errs...)
}

func (f *faults) mend(ctx context.Context, t act.Target, start bool) error {
	var errs []error
	if t.Hangs() {
		errs = append(errs, f.Do(ctx, "resume "+t.Name()))
	}
	if start {
		errs = append(errs, f.Do(ctx, "start "+t.Name()))
	}
	if t.Impaired() {
		errs = append(errs, f.Do(ctx, "heal "+t.Name()))
	}
	return errors.Join(errs...)
}
