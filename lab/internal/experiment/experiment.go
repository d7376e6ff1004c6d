// Package experiment breaks a step on purpose and says what came of it: run a
// workload, inject faults, check the history, give a verdict. It is the way of
// Jepsen and Maelstrom, on the processes that a student has just watched.
package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/act"
	"course.example/lab/internal/bench"
	"course.example/lab/internal/figure"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/pace"
)

// Result is what came of one experiment.
type Result struct {
	Experiment manifest.Experiment `json:"-"`
	Name       string              `json:"name"`
	Variant    string              `json:"variant"`
	Seed       uint64              `json:"seed"`
	figure.Facts
	// Waits says what still waited when the run was given up, or is empty: it has come to its
	// end.
	Waits string `json:"waits,omitempty"`
	// Differs says in what the log differs from the step's book, whose figures count.
	Differs string  `json:"differs,omitempty"`
	Checks  []Check `json:"checks"`
	// Slow is how slow the machine was during the run; see [slowness]. Limits on time are
	// stretched by it.
	Slow float64 `json:"slow"`
	// NotRun says why the experiment could not be done, or is empty. Such an
	// experiment has neither held nor broken anything.
	NotRun string `json:"not_run,omitempty"`
	// Error is why the experiment could not be carried to its end: a slip of
	// ours, or a step whose processes cannot be kept up.
	Error string `json:"error,omitempty"`
}

// Check is one condition and what the run had to say to it.
type Check struct {
	Condition manifest.Condition `json:"condition"`
	Value     float64            `json:"value"`
	Held      bool               `json:"held"`
	// Unknown says why the run cannot tell whether the condition holds, or is empty. An unknown
	// condition does not hold.
	Unknown string `json:"unknown,omitempty"`
	// Shows says that the condition is what a wrong variant must show.
	Shows bool `json:"shows"`
}

// Held says that every promise held and everything that had to show did.
func (r Result) Held() bool {
	for _, c := range r.Checks {
		if !c.Held {
			return false
		}
	}
	return r.NotRun == "" && r.Error == "" && len(r.Checks) > 0
}

// Run carries one experiment out on a bench of its own. That it could not be
// carried to its end is a result too; Run returns an error only when ctx ended.
func Run(ctx context.Context, cfg bench.Config, e manifest.Experiment) (Result, error) {
	if _, once := cfg.Step.Once(); once {
		return runOnce(ctx, cfg, e)
	}
	r := Result{Experiment: e, Name: e.Name, Variant: e.Variant, Seed: cfg.Seed}
	cfg.Variant, cfg.Work, cfg.Env, cfg.Scale = e.Variant, e.Load.WorkTime(), e.Env, e.Scale
	if e.Soak {
		cfg.Env = maps.Clone(cfg.Env)
		if cfg.Env == nil {
			cfg.Env = map[string]string{}
		}
		cfg.Env["LOG_MEMORY"] = "yes"
	}
	cfg.Keep, cfg.Patience, cfg.Gauges = true, e.Load.Patience.Std(), e.Gauges()
	meter := pace.Start(ctx)
	b, err := bench.Start(ctx, cfg)
	if err != nil {
		meter.Stop()
		return r.failed(ctx, err)
	}
	// Closing must work after an interrupt too.
	closing := context.WithoutCancel(ctx)
	err = bear(e, play(ctx, b, e, cfg.Seed))
	if err == nil {
		err = bear(e, b.Mend(ctx))
	}
	if err == nil {
		err = b.Drain(ctx, settle(cfg.Step, e))
	}
	if err == nil {
		err = b.Audit(ctx)
	}
	r.Slow = slowness(meter.Stop(), b.Slowest())
	after := errors.Join(b.Close(closing), bear(e, b.Err()))
	if errors.Is(err, bench.ErrCannot) && after == nil {
		r.NotRun = err.Error()
		return r, nil
	}
	figures, figuresErr := b.Figures(closing)
	r.Telemetry = figures
	err = errors.Join(err, figuresErr)
	r.judge(b)
	if err := errors.Join(err, after); err != nil {
		return r.failed(ctx, err)
	}
	return r, nil
}

// bear is err, but for a process that cannot be kept up where that is what the experiment is to
// show.
func bear(e manifest.Experiment, err error) error {
	if (e.Speaks("crashes") || e.Speaks("crash loops")) && errors.Is(err, bench.ErrCrashLoop) {
		return nil
	}
	return err
}

// settle is how a run of the experiment ends. One that stands in no manifest ends as the step does.
func settle(step *manifest.Step, e manifest.Experiment) bench.Settle {
	return bench.Settle{
		Quiet: cmp.Or(e.Settle, step.Settle).Std(),
		Limit: cmp.Or(e.Limit.Std(), step.Standstill()),
	}
}

func (r Result) failed(ctx context.Context, err error) (Result, error) {
	if ctx.Err() != nil {
		return r, fmt.Errorf("experiment %s: %w", r.Name, err)
	}
	r.Error = err.Error()
	return r, nil
}

// play lets the load and the faults run side by side.
func play(ctx context.Context, b *bench.Bench, e manifest.Experiment, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	moments := e.Faults.Schedule(rng, e.Load.For.Std())
	start := time.Now()

	var group sync.WaitGroup
	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	if e.Load.Count > 0 {
		group.Go(func() {
			// What the shop refuses is in the ledger; experiments judge that.
			_, _ = b.Place(context.WithoutCancel(ctx), e.Load.Count)
		})
	}
	if e.Load.Rate > 0 {
		group.Go(func() { b.Trickle(loadCtx, e.Load.Rate) })
	}
	crowd, leave := context.WithCancel(loadCtx)
	defer leave()
	group.Go(func() { b.Trickle(crowd, e.Load.Crowd) })
	if e.Speaks("recovers") { // which is a return to what was before the first fault
		awaitOrder(ctx, b, firstOrder)
		start = time.Now()
	}
	start, err := inflict(ctx, b, moments, start, &group, leave)
	if err == nil {
		err = until(ctx, start.Add(e.Load.For.Std()))
	}
	// The last fault may have been a moment ago: customers go on coming for as long as it may take.
	awaitOrder(ctx, b, e.RecoversWithin())
	b.LoadEnded()
	stop()
	group.Wait()
	return err
}

// inflict does what the timeline says, one act after the other. The timeline's
// clock stands still while an act is under way, so that a broker which takes
// twenty seconds to start on a slow machine shifts what comes after it, rather
// than swallowing it; inflict returns the start shifted by as much. An act that goes
// on aside, such as a burst, is not waited for. First is called before each act, and
// ends what lasts until the first.
func inflict(
	ctx context.Context, b *bench.Bench, moments []manifest.Moment, start time.Time,
	group *sync.WaitGroup, first func(),
) (time.Time, error) {
	for _, m := range moments {
		if err := until(ctx, start.Add(m.At)); err != nil {
			return start, err
		}
		first()
		if a, _, err := act.Parse(m.Act); err == nil && a.Aside {
			group.Go(func() {
				// What the shop refuses is in the ledger, and that the act
				// can be done the manifest's reader has checked.
				_ = b.Do(context.WithoutCancel(ctx), m.Act)
			})
			continue
		}
		begun := time.Now()
		if err := b.Do(ctx, m.Act); err != nil {
			return start, err
		}
		start = start.Add(time.Since(begun))
	}
	return start, nil
}

// firstOrder is how long the first order may take.
const firstOrder = 5 * time.Second

// awaitOrder waits until one more order is accepted and one more is processed. Where that does not
// come within the limit, the judge will see it.
func awaitOrder(ctx context.Context, b *bench.Bench, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before := b.Status()
	for now := before; ctx.Err() == nil; now = b.Status() {
		if now.Accepted > before.Accepted && now.Processed > before.Processed {
			return
		}
		_ = until(ctx, time.Now().Add(10*time.Millisecond)) // ctx says when it is enough
	}
}

func until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// judge fills in the figures and checks them.
func (r *Result) judge(b *bench.Bench) {
	status := b.Status()
	r.History = b.History()
	r.Ledger, r.Lost, r.Refused = status.Summary, status.Open, status.Refused
	r.Waits, r.Differs = status.Waits, status.Differs
	r.Unanswered, r.Highest = status.Unanswered, b.Highest()
	r.Crashes, r.CrashLoops = b.Crashes()
	for _, m := range r.History.Marks {
		r.InFlight += m.InFlight
	}
	r.Recovery = figure.Recovery(r.History)
	r.check()
}

// check compares the figures with the conditions.
func (r *Result) check() {
	for _, c := range r.Experiment.Promises {
		r.Checks = append(r.Checks, r.compare(c, false))
	}
	for _, c := range r.Experiment.Shows {
		r.Checks = append(r.Checks, r.compare(c, true))
	}
}

// tooSlow is how much slower than usual a machine may be before what depends on its speed cannot
// be told any more.
const tooSlow = 5

// compare judges one condition. A limit on time is stretched by as much as the machine was slower
// than usual. What is missed even so is broken, unless the machine was so slow that nobody can
// tell: then it is unknown, which is not held either. So is what nobody has observed.
func (r *Result) compare(c manifest.Condition, shows bool) Check {
	f := c.Of()
	value, err := f.Value(&r.Facts, c.Ask())
	check := Check{Condition: c, Value: value, Shows: shows}
	if err != nil {
		check.Value, check.Unknown = 0, err.Error()
		return check
	}
	stretched := value
	if c.Limits() {
		stretched = value / max(r.Slow, 1)
	}
	check.Held = c.Holds(stretched, &r.Facts)
	switch {
	case check.Held && r.Waits != "" && f.Name == "duplicated" && !strings.HasPrefix(c.Op, ">"):
		check.Held, check.Unknown = false, "there was more to come: there still waits "+r.Waits
	case check.Held && r.missing() != "":
		check.Held, check.Unknown = false, r.missing()
	case !check.Held && f.Machine:
		check.Unknown = r.TooSlow()
	}
	return check
}

// TooSlow says by how much the machine was too slow for what depends on its speed to be told, or
// is empty.
func (r *Result) TooSlow() string {
	if r.Slow <= tooSlow {
		return ""
	}
	return fmt.Sprintf("the machine was %.0f times slower than usual: too slow to tell", r.Slow)
}

// missing says what was missing for any promise to be believed, or is empty. Where no order was
// accepted, whatever is promised of orders is true of none, unless the experiment wants it so. A
// program that had to be killed might have done anything later, unless it is to hang.
func (r *Result) missing() string {
	speaks := func(of func(manifest.Condition) bool) bool {
		return slices.ContainsFunc(slices.Concat(r.Experiment.Promises, r.Experiment.Shows), of)
	}
	switch {
	case r.Once != nil && r.Once.Took < 0 && !speaks(
		func(c manifest.Condition) bool { return c.Figure == "ends" }):
		return "it did not end by itself, and had to be killed"
	case r.Once == nil && r.Ledger.Accepted == 0 && !speaks(func(c manifest.Condition) bool {
		return c.Figure == "accepted" && c.Holds(0, &r.Facts)
	}):
		return "no order was accepted"
	}
	return ""
}

// usualStart is more than any process of the course needs to be ready on a machine that is free.
const usualStart = 500 * time.Millisecond

// slowness is by how much the machine was slower than usual: as a piece of work has measured it
// all the time, or as the start of the processes did before anything was broken.
func slowness(measured float64, start time.Duration) float64 {
	return max(1, measured, float64(start)/float64(usualStart))
}
