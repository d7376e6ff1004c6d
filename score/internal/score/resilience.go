package score

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/experiment"
	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// The names of the faults, in the order in which they stand in the tables.
const (
	KillConsumer    = "kill consumer"
	KillProducer    = "kill producer"
	KillMiddle      = "kill middle"
	RestartConsumer = "restart consumer"
	RestartProducer = "restart producer"
	RestartMiddle   = "restart middle"
)

// faults are the six, without those that this architecture does not have: where the
// producer and the consumer are one process there is nothing to kill twice, and not
// every architecture has a middle.
func (s *session) faults() []Fault {
	all := []Fault{
		{Name: KillConsumer, Act: "kill " + s.score.Consumer},
		{Name: RestartConsumer, Act: "restart " + s.score.Consumer},
	}
	if s.score.Producer != s.score.Consumer {
		all = append(all, Fault{Name: KillProducer, Act: "kill " + s.score.Producer},
			Fault{Name: RestartProducer, Act: "restart " + s.score.Producer})
	}
	if s.score.Middle != "" {
		all = append(all, Fault{Name: KillMiddle, Act: "kill " + s.score.Middle},
			Fault{Name: RestartMiddle, Act: "restart " + s.score.Middle})
	}
	return all
}

// timeline is the fault, and for a kill the start of what was killed half a second
// later.
func timeline(f Fault) manifest.Timeline {
	at := func(d time.Duration, act string) manifest.Entry {
		return manifest.Entry{From: d, To: d, Acts: []string{act}}
	}
	t := manifest.Timeline{at(f.at(), f.Act)}
	if who, isKill := strings.CutPrefix(f.Act, "kill "); isKill {
		t = append(t, at(f.at()+500*time.Millisecond, "start "+who))
	}
	return t
}

// at is how long after the first customer the fault comes. What is in the middle is left
// to settle first: a queue that RabbitMQ replicates may not come back from a kill in the
// first second and a half of its life, and shops do not open at the moment of the fault.
func (f Fault) at() time.Duration {
	if f.Name == KillMiddle || f.Name == RestartMiddle {
		return 2500 * time.Millisecond
	}
	return 800 * time.Millisecond
}

// enough is how many orders must wait when something is killed: what is lost with a
// process is what it holds, and one that holds nothing loses nothing.
const enough = 50

// crowd is the rate at which twice as many wait by the time of the fault, if the consumers
// do what they can. It ends with the fault: what is shown then is what the fault does to a shop
// that can serve its customers, and not what too many of them do.
func (s *session) crowd(at time.Duration) float64 {
	return s.capacity() + 2*enough/at.Seconds()
}

// capacity is how many orders a second the consumers of a fault run can do.
func (s *session) capacity() float64 {
	workers := math.Inf(1)
	for _, name := range s.score.Counted() {
		kind, _ := s.worker.Process(name)
		workers = min(workers, float64(max(1, kind.Count)))
	}
	switch {
	case s.score.Unscaled != "": // whoever comes is served at once: they wait for the work
		workers = enough
	case s.score.Workers != "":
		workers = goroutines
	}
	return workers / s.pace.work.Seconds()
}

// calm is the rate of those who come before and after: half of what the consumers can do, and
// not so many that the queue of a slow machine never ends.
func (s *session) calm() float64 { return min(s.capacity()/2, 50) }

// goroutines is how many workers a fault run has in a process whose workers are goroutines.
const goroutines = 2

// resilience lets one fault happen while customers come and at least so many orders wait,
// as often as runs are repeated.
func (s *session) resilience(ctx context.Context, f Fault) error {
	runs := &faultRuns{session: s, fault: f, lasts: s.lasts(f), crowd: s.crowd(f.at())}
	figures, err := repeat(s.repeats(f), []float64{10, 0.3}, func() ([]float64, error) {
		return runs.next(ctx)
	})
	if errors.Is(err, bench.ErrCannot) {
		s.problem("not measured: %s: %v", f.Act, err)
		return nil
	}
	if err != nil {
		return err
	}
	f = runs.fault
	f.Lost, f.Duplicated = worst(runs.lost), worst(runs.duplicated)
	f.Refused, f.Recovery, f.Waiting = figures[0], figures[1], figure(runs.waiting, 1e9)
	if f.Recovery.Low < 0 {
		f.Recovery.Value = -1 // once was often enough
	}
	if f.Waiting.Low < enough {
		s.problem("%s: only %s orders waited", f.Act, number(f.Waiting.Low))
	}
	s.row.Faults = append(s.row.Faults, f)
	return nil
}

// faultRuns are the runs of one fault, and what each has cost.
type faultRuns struct {
	*session
	fault                     Fault
	lasts                     time.Duration // that customers come
	crowd                     float64       // of them before the fault, a second
	lost, duplicated, waiting []float64
}

// next is one run, with refusals and the longest silence. A run with too few orders waiting,
// or one that was over before the shop was back, is made again.
func (f *faultRuns) next(ctx context.Context) ([]float64, error) {
	r, err := f.once(ctx)
	wait := float64(waited(r.History))
	if err == nil && wait < enough {
		// The consumers are quicker than was thought: more customers.
		f.crowd += 2 * (enough - wait) / f.fault.at().Seconds()
		r, err = f.once(ctx)
	}
	if err == nil && r.Recovery < 0 && f.lasts < longRecovery {
		f.lasts = longRecovery
		r, err = f.once(ctx)
	}
	if err != nil {
		return nil, err
	}
	f.waiting = append(f.waiting, float64(waited(r.History)))
	f.fault.Strips = append(f.fault.Strips, newStrip(r.History))
	return []float64{float64(r.Refused), r.Recovery.Seconds()}, nil
}

// once carries the experiment out. What it lost counts, whatever else the run was good for.
func (f *faultRuns) once(ctx context.Context) (experiment.Result, error) {
	r, err := f.session.experiment(ctx, manifest.Experiment{
		Name: "score", About: f.fault.Act, Faults: timeline(f.fault),
		Load: manifest.Load{Rate: f.calm(), Crowd: f.crowd, For: manifest.Duration(f.lasts)},
	})
	if err == nil {
		lost, twice := toll(r)
		f.lost, f.duplicated = append(f.lost, lost), append(f.duplicated, twice)
	}
	return r, err
}

// toll is what a run has cost: orders that are lost, and effects beyond an order's first.
// It is the one place where the score reads it.
func toll(r experiment.Result) (lost, twice float64) {
	return float64(r.Lost), float64(r.Ledger.Duplicated)
}

// waited is how many orders waited when the first fault came: customers had brought them,
// and they had not come to an end. Whoever stood at the door without an answer waited, too.
func waited(h history.Run) int {
	return len(waitingAt(h, firstFault(h)))
}

// lasts is how long customers come. Whoever has lost the middle is in a pause before the
// next try when it is back, and that is no reason to call it silent for good.
func (s *session) lasts(f Fault) time.Duration {
	after := s.pace.faultFor - Fault{}.at()
	if f.Name == KillMiddle {
		after += 3500 * time.Millisecond
	}
	return f.at() + after
}

// longSilence is how long nothing moves before what is open counts as lost, where the middle
// was broken. It is waited for only while something waits.
const longSilence = time.Minute

// longRecovery is how long customers come when a shop was still silent as they stopped.
const longRecovery = 15 * time.Second

// worst is a figure whose value is the largest of the runs: what was lost once can be
// lost.
func worst(runs []float64) Figure {
	f := figure(runs, 1e9)
	f.Value = f.High
	return f
}

// experiment carries one out on the session's stage.
func (s *session) experiment(
	ctx context.Context, e manifest.Experiment,
) (r experiment.Result, err error) {
	work := manifest.Duration(s.pace.work)
	e.Load.Work, e.Variant = &work, s.row.Variant
	e.Settle = manifest.Duration(s.pace.stillLost)
	if s.breaksMiddle(e.Faults) {
		// Whoever lost the broker may be in a pause before the next try, and a saga waits for
		// its deadline, which doubles with each try.
		e.Limit = manifest.Duration(longSilence)
	}
	e.Env = map[string]string{}
	maps.Copy(e.Env, s.score.Crowd)
	if s.score.Workers != "" {
		e.Env[s.score.Workers] = strconv.Itoa(goroutines)
	}
	cfg, cleanup, err := s.stage.Config(ctx, s.worker, s.name(), true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, cleanup(context.WithoutCancel(ctx))) }()
	cfg.Seed, cfg.Show = s.opt.Seed, s.show
	r, err = experiment.Run(ctx, cfg, e)
	switch {
	case err != nil:
	case r.NotRun != "":
		err = fmt.Errorf("%s: %w", r.NotRun, bench.ErrCannot)
	case r.Error != "" && len(r.History.Events) == 0:
		err = errors.New(r.Error)
	case r.Error != "":
		// It was measured, and went wrong only as it was taken down.
		s.problem("%s: %s", e.About, r.Error)
	}
	return r, err
}

func (s *session) breaksMiddle(t manifest.Timeline) bool {
	for _, entry := range t {
		for _, act := range entry.Acts {
			if _, who, _ := strings.Cut(act, " "); s.score.Middle != "" && who == s.score.Middle {
				return true
			}
		}
	}
	return false
}

// redundancy has two of everything that the step can have two of, kills one and leaves it dead,
// and looks at what becomes of the customers of the time after that, and of the orders that
// waited. The customers are fewer than the one that is left can serve: what is missing is
// missing with the killed one, and not for want of time.
func (s *session) redundancy(ctx context.Context, kind string) error {
	scale := map[string]int{}
	for _, p := range s.step.Processes {
		if s.canHaveTwo(p) {
			scale[p.Name] = max(2, p.Count)
		}
	}
	after := s.pace.half
	half := Half{Kind: kind, Seconds: int(after.Seconds())}
	if servers, n := s.cluster(); servers == kind {
		half.Servers = n
	}
	const at = 500 * time.Millisecond
	workers, back := 2/s.pace.work.Seconds(), at+after+late
	r, err := s.experiment(ctx, manifest.Experiment{
		Name: "score", About: "one of several " + kind, Scale: scale,
		Faults: halved(kind, at, back),
		Load: manifest.Load{
			Rate: workers / 4, Crowd: workers + 2*enough/at.Seconds(),
			For: manifest.Duration(back + 200*time.Millisecond),
		},
	})
	if err != nil {
		return err
	}
	answered, processed := shares(r.History, after)
	half.Answered, half.Processed = figure([]float64{answered}, 1), figure([]float64{processed}, 1)
	lost, _ := toll(r)
	half.Lost = figure([]float64{lost}, 1)
	half.Waiting = figure([]float64{float64(waited(r.History))}, 1)
	half.Strip = newStrip(r.History)
	s.row.Halves = append(s.row.Halves, half)
	return nil
}

// halved kills the first of a kind, and starts it again when nobody looks any more: a process
// that died between its commit and its line writes the line in its next life.
func halved(kind string, at, back time.Duration) manifest.Timeline {
	entry := func(when time.Duration, act string) manifest.Entry {
		return manifest.Entry{From: when, To: when, Acts: []string{act + kind + "-1"}}
	}
	return manifest.Timeline{entry(at, "kill "), entry(back, "start ")}
}

// late is how much later than it came an order of the last moment may be processed.
const late = time.Second

func (s *session) canHaveTwo(p manifest.Process) bool {
	_, single := s.score.Single[p.Name]
	return !p.Spare && !single
}

// shares says which percentage of the customers who came within the time after the
// first fault were told yes; and of these and of the orders that waited when it came,
// which percentage was processed within that time or a little later.
func shares(h history.Run, after time.Duration) (answered, processed float64) {
	fault := firstFault(h)
	within := func(t time.Time) bool { return !t.Before(fault) && t.Before(fault.Add(after)) }
	asked, yes, came := 0, 0, map[string]bool{}
	for _, a := range h.Answers {
		if !within(a.Time.Add(-a.Took)) {
			continue
		}
		asked++
		if a.Accepted {
			yes++
			came[a.Order] = true
		}
	}
	if asked == 0 {
		return 0, 0
	}
	refused := asked - yes
	for order := range waitingAt(h, fault) {
		came[order] = true
	}
	done := map[string]bool{}
	for i, v := range ledger.Judge(h.Events) {
		e := h.Events[i]
		in := e.Time.Before(fault.Add(after + late))
		if v == ledger.Effect && in && came[e.Order] {
			done[e.Order] = true
		}
	}
	return percentage(yes, asked), percentage(len(done), len(came)+refused)
}

func percentage(n, of int) float64 { return 100 * float64(n) / float64(of) }
