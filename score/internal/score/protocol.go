package score

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
	"course.example/lab/services"
)

// pace is how long is measured, and how often.
type pace struct {
	work      time.Duration // for one order, wherever work is not empty
	lowRate   float64       // orders a second, for latency
	rounds    int           // of latency
	round     time.Duration
	searches  int // of the rate that is sustained
	probes    int // of each of them
	probe     time.Duration
	stretches int // of throughput with so many consumers
	stretch   time.Duration
	faultRuns int
	restarts  bool // as well as kills
	faultFor  time.Duration
	half      time.Duration // to look at after one of two was killed
	stillLost time.Duration // silence after which what is open is lost
	// depths are how many orders wait, and depthRounds of depthFor are measured at each.
	depths      []int
	depthRounds int
	depthFor    time.Duration
}

var (
	wholePace = pace{
		work: 20 * time.Millisecond, lowRate: 40, rounds: 3, round: 2500 * time.Millisecond,
		searches: 2, probes: 5, probe: 1200 * time.Millisecond,
		stretches: 2, stretch: 2 * time.Second,
		faultRuns: 2, restarts: true, faultFor: 2 * time.Second,
		half: 10 * time.Second, stillLost: 10 * time.Second,
		depths: []int{0, 10_000, 100_000, 1_000_000}, depthRounds: 3, depthFor: time.Second,
	}
	// quickPace leaves out the orderly restarts and the deep queue: two architectures take
	// less than two minutes.
	quickPace = pace{
		work: 20 * time.Millisecond, lowRate: 40, rounds: 1, round: 1200 * time.Millisecond,
		searches: 1, probes: 4, probe: 800 * time.Millisecond,
		stretches: 1, stretch: time.Second,
		faultRuns: 1, faultFor: 1800 * time.Millisecond,
		half: 5 * time.Second, stillLost: 5 * time.Second,
	}
)

// Options are the same for every row of a run.
type Options struct {
	Quick bool
	Seed  uint64
	// Say is told what the lab and the processes have to say, and Begin which
	// measurement begins.
	Say       func(history.Line)
	Begin     func(what string, left time.Duration)
	Generator Generator
}

// Calibration is how long each try of [Calibrate] lasts.
func (o Options) Calibration() time.Duration {
	if o.Quick {
		return 200 * time.Millisecond
	}
	return 500 * time.Millisecond
}

func (o Options) pace() pace {
	if o.Quick {
		return quickPace
	}
	return wholePace
}

// session is the measurement of one row.
type session struct {
	stage     *stage.Stage
	step      *manifest.Step
	worker    *manifest.Step // with one worker in each consumer
	score     manifest.Score
	opt       Options
	pace      pace
	generator Generator
	row       *Row
	benches   int
	address   map[string]string // where the servers of the bench under way are
}

// task is one measurement of the protocol.
type task struct {
	name  string
	takes time.Duration // about
	do    func(context.Context) error
}

// Measure asks the four questions of one variant of a step, on a stage that has been
// prepared for it. What could not be measured is among the row's problems. When ctx
// ends it returns what it has with the error.
func Measure(
	ctx context.Context, st *stage.Stage, step *manifest.Step, variant string, opt Options,
) (Row, error) {
	s := newSession(st, step, variant, opt)
	tasks := s.tasks()
	for i, t := range tasks {
		left := time.Duration(0)
		for _, later := range tasks[i:] {
			left += later.takes
		}
		opt.Begin(t.name, left)
		if err := t.do(ctx); err != nil {
			if ctx.Err() != nil {
				return *s.row, context.Cause(ctx)
			}
			s.problem("not measured: %s: %v", t.name, err)
		}
	}
	s.row.Measured = time.Now().UTC().Truncate(time.Second)
	return *s.row, nil
}

// Takes is about how long Measure takes for a step, servers and compiler not counted.
func Takes(step *manifest.Step, opt Options) time.Duration {
	s := newSession(nil, step, manifest.Right, opt)
	sum := time.Duration(0)
	for _, t := range s.tasks() {
		sum += t.takes
	}
	return sum
}

func newSession(
	st *stage.Stage, step *manifest.Step, variant string, opt Options,
) *session {
	s := &session{
		stage: st, step: step, score: step.Scoring(), opt: opt, pace: opt.pace(),
		generator: opt.Generator,
	}
	s.worker = step.WithEnv(s.score.Env, s.score.Counted()...)
	s.row = &Row{
		Step: step.Name, Title: step.Title, Variant: variant,
		Producer: s.score.Producer, Consumer: s.score.Consumer, Middle: s.score.Middle,
		Single: s.score.Single, Odd: s.score.Odd,
	}
	return s
}

// aroundBench is what it takes to start a step's processes and to end them again.
const aroundBench = 1500 * time.Millisecond

func (s *session) tasks() []task {
	p := s.pace
	tasks := []task{
		{"latency at a low rate",
			aroundBench + time.Second + time.Duration(p.rounds)*(p.round+300*time.Millisecond),
			s.latency},
		{"the highest rate it sustains",
			aroundBench + 2500*time.Millisecond +
				time.Duration(p.searches*(p.probes+1))*(p.probe+500*time.Millisecond), s.sustained},
	}
	if s.score.Unscaled == "" {
		takes := time.Duration(len(consumers)) *
			(time.Second + time.Duration(p.stretches)*p.stretch)
		tasks = append(tasks, task{"1, 2, 4 and 8 consumers", aroundBench + takes, s.scalability})
	} else {
		s.row.Scale.Without = s.score.Unscaled
	}
	for _, f := range s.faults() {
		if strings.HasPrefix(f.Name, "restart ") && !p.restarts {
			continue
		}
		one := aroundBench + s.lasts(f) + 3*time.Second // in which what waits is done
		if f.Act == "restart "+s.score.Middle || f.Act == "kill "+s.score.Middle {
			one += 3 * time.Second
		}
		tasks = append(tasks, task{f.Act, time.Duration(s.repeats(f)) * one,
			func(ctx context.Context) error { return s.resilience(ctx, f) }})
	}
	for _, kind := range s.halves() {
		tasks = append(tasks, task{"one of several: " + kind, aroundBench + p.half + 2500*time.Millisecond,
			func(ctx context.Context) error { return s.redundancy(ctx, kind) }})
	}
	if s.score.Backlog != nil && len(p.depths) > 0 {
		tasks = append(tasks, task{"with orders waiting", s.depthTakes(), s.depth})
	}
	return tasks
}

// depthTakes is mostly the time it takes to make a million orders wait.
func (s *session) depthTakes() time.Duration {
	p := s.pace
	deepest := time.Duration(p.depths[len(p.depths)-1])
	each := time.Duration(p.depthRounds)*p.depthFor*5/4 + time.Second
	return aroundBench + time.Duration(len(p.depths))*each + deepest*30*time.Microsecond
}

// repeats is how often a fault is repeated: a kill costs by chance what it costs, an
// orderly restart costs the same each time.
func (s *session) repeats(f Fault) int {
	if strings.HasPrefix(f.Name, "kill ") {
		return s.pace.faultRuns
	}
	return 1
}

// halves are the kinds of which one of two is killed, the producer and the consumer, and that of the servers
// in the middle, where there are several.
func (s *session) halves() []string {
	var kinds []string
	for _, name := range []string{s.score.Producer, s.score.Consumer} {
		p, ok := s.step.Process(name)
		if ok && s.canHaveTwo(p) && (len(kinds) == 0 || kinds[0] != name) {
			kinds = append(kinds, name)
		}
	}
	if kind, n := s.cluster(); n > 1 {
		kinds = append(kinds, kind)
	}
	return kinds
}

// cluster is the kind of the servers of which the middle is one, and how many there are: nats-1 of
// nats x3.
func (s *session) cluster() (kind string, n int) {
	kind, numbered := strings.CutSuffix(s.score.Middle, "-1")
	for _, text := range s.step.Needs {
		need, err := services.ParseNeed(text)
		if err == nil && numbered && string(need.Kind) == kind {
			return kind, need.Count
		}
	}
	return "", 0
}

func (s *session) problem(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	s.row.Problems = append(s.row.Problems, text)
	s.say("%s", text)
}

func (s *session) say(format string, args ...any) {
	s.opt.Say(history.Line{
		Process: history.Lab, Time: time.Now(), Text: fmt.Sprintf(format, args...),
	})
}

// show keeps what may explain a figure, and drops the thousands of lines on orders: to
// write them down would slow down what is measured.
func (s *session) show(l history.Line) {
	if l.Level == "WARN" || l.Level == "ERROR" || l.Level == "" {
		s.opt.Say(l)
	}
}

// change is what one measurement wants other than the manifest has it.
type change struct {
	work  time.Duration     // with which a consumer has one worker
	env   map[string]string // for every process
	scale map[string]int
}

// name is that of the vhost or database of the next bench.
func (s *session) name() string {
	s.benches++
	return fmt.Sprintf("score-%d", s.benches)
}

// with runs the step's processes with a change while do measures them.
func (s *session) with(
	ctx context.Context, ch change, do func(*bench.Bench, *meter) error,
) (err error) {
	step := s.step
	if ch.work > 0 {
		step = s.worker
	}
	cfg, cleanup, err := s.stage.Config(ctx, step, s.name(), true)
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, cleanup(closing)) }()
	if err != nil {
		return err
	}
	m := newMeter()
	s.address = cfg.Address
	cfg.Variant, cfg.Seed, cfg.Work = s.row.Variant, s.opt.Seed, &ch.work
	cfg.Env, cfg.Scale = maps.Clone(ch.env), ch.scale
	cfg.Watch, cfg.Show = m.watch, s.show
	b, err := bench.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(closing)) }()
	return errors.Join(do(b, m), b.Err())
}

// settle waits until nothing is open and nothing waits in the middle, and says whether that came
// to be in time.
func (s *session) settle(
	ctx context.Context, b *bench.Bench, _ *meter, limit time.Duration,
) bool {
	return look(ctx, limit, func() bool {
		if b.Status().Open > 0 {
			return false
		}
		waits, err := b.Waiting(ctx)
		return err == nil && waits.N == 0
	})
}
