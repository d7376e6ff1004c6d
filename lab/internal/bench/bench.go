// Package bench runs a step as students see it: its processes, the services
// they need, customers who place orders, faults, and the ledger of it all.
// `lab run`, `lab break` and the black-box tests are three ways to use it.
package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// Service is a server that the step's processes use.
type Service interface {
	Name() string
	// Owned says that the lab may break it.
	Owned() bool
	Kill(context.Context) error
	Stop(context.Context) error
	Start(context.Context) error
}

// Config says what to run and how.
type Config struct {
	Step     *manifest.Step
	Variant  string            // "" is the right one
	Work     *time.Duration    // for one order; nil leaves it to the step
	Env      map[string]string // for every process, over all else
	Control  map[string]string // for the processes that may act on the run
	Scale    map[string]int    // how many of a kind, where not the manifest's
	Services []Service         // for acts to break
	Address  map[string]string // the variables that say where the services are
	Run      *home.Run
	Bin      string // folder of the built programs, as [Build] returned it
	Seed     uint64 // for choices left to chance
	// Proxy puts a proxy between every process and every service, and between
	// two processes of which one was told where the other is, so that the
	// connection can be cut and slowed.
	Proxy bool
	// Patience is how long a customer waits for the answer to a request for one
	// order; 0 is 15 seconds.
	Patience time.Duration
	// Gauges are attributes of log lines whose largest value [Bench.Highest]
	// tells.
	Gauges []string
	// Keep keeps every event for [Bench.History].
	Keep bool
	// Watch is called for every event that enters the ledger, with the ledger's
	// verdict so far, under its lock: it must be quick, and must not call the bench.
	Watch func(ledger.Event, ledger.Verdict)
	// Show is called for every line of output and every remark of the lab's
	// own, one at a time, by a goroutine of its own: a terminal that is slow
	// must not slow down what is measured.
	Show func(history.Line)
}

// Bench is a running step. Its methods are safe for concurrent use.
type Bench struct {
	cfg     Config
	variant manifest.Variant
	client  *http.Client
	ctx     context.Context // ends when the bench closes
	cancel  context.CancelFunc
	group   sync.WaitGroup // supervisors and requests
	wire    *wire          // nil when the config does not want it
	printer *printer

	// acts is held for reading by every act that is under way.
	acts sync.RWMutex

	mu        sync.Mutex
	rng       *rand.Rand
	procs     []*proc
	ledger    ledger.Ledger
	history   history.Run
	lastEvent time.Time // of any event
	progress  time.Time // of the last event that changed what is open or done
	refused   int
	// unanswered are the customers among the refused who got no answer.
	unanswered int
	highest    map[string]float64 // by name of the gauge
	// turnedAway counts the refusals since an order was last accepted.
	turnedAway int
	nextShop   int
	release    func() error // gives the claimed port back
	// addresses are where the HTTP processes of a kind serve, or will.
	addresses map[string][]string
	closing   bool
	slowest   time.Duration // that a process took to be ready, at the start
	// downServices are those that an act has stopped or killed.
	downServices map[string]bool
	heldServices map[string]bool // those that an act has paused
	broken       error           // a process that cannot be kept up
	slips        map[string]bool // lines that almost say something, by what was said of them
}

// Start starts the step's processes and returns when all are ready. What it
// started is stopped by [Bench.Close], which must be called even when Start's
// caller goes on to fail; when Start itself fails it has cleaned up.
func Start(ctx context.Context, cfg Config) (*Bench, error) {
	variant, err := cfg.Step.Variant(cfg.Variant)
	if err != nil {
		return nil, err
	}
	b := &Bench{
		cfg:     cfg,
		variant: variant,
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0)),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		printer: newPrinter(cfg.Show),
		highest: map[string]float64{},
		history: history.Run{
			Step: cfg.Step.Name, Variant: variant.Name, Started: time.Now(),
		},
	}
	// The bench outlives the context of its start: an interrupted run must
	// still drain. Close ends it.
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := b.startAll(ctx); err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

func (b *Bench) startAll(ctx context.Context) error {
	if b.cfg.Proxy {
		w, err := startWire(ctx, b.cfg.Run, b.cfg.Bin)
		if err != nil {
			return err
		}
		b.wire = w
	}
	for _, kind := range b.cfg.Step.Processes {
		want := kind.Count
		if n, ok := b.cfg.Scale[kind.Name]; ok {
			want = n
		}
		if err := b.startKind(ctx, kind, want); err != nil {
			return err
		}
	}
	return nil
}

// startKind starts so many of a kind and waits for them: what one kind declares
// as it starts, such as a queue, is there when the next kind looks for it.
func (b *Bench) startKind(ctx context.Context, kind manifest.Process, n int) error {
	began := time.Now()
	var procs []*proc
	for range n {
		p, err := b.add(kind)
		if err != nil {
			return err
		}
		procs = append(procs, p)
	}
	for _, p := range procs {
		if err := b.awaitReady(ctx, p, 30*time.Second); err != nil {
			return err
		}
	}
	b.slowest = max(b.slowest, time.Since(began))
	return nil
}

// Slowest is how long it took until the processes of a kind were ready, at the start of the run,
// when nothing was broken yet: that of the kind which took longest.
func (b *Bench) Slowest() time.Duration { return b.slowest }

// environment is what one process gets: what the lab was started with, where
// the services are, and what the variant and the manifest say.
func (b *Bench) environment(p *proc) ([]string, error) {
	vars := maps.Clone(b.cfg.Address)
	if vars == nil {
		vars = map[string]string{}
	}
	if b.wire != nil {
		if err := b.wire.reroute(p.name, vars); err != nil {
			return nil, err
		}
	}
	vars["LOG_FORMAT"] = "json"
	if !strings.EqualFold(os.Getenv("LOG_LEVEL"), "debug") {
		vars["LOG_LEVEL"] = "info" // the ledger is read from lines of this level
	}
	vars["VARIANT"] = b.variant.Name
	if b.cfg.Work != nil {
		vars["WORK"] = b.cfg.Work.String()
	}
	if p.addr != "" {
		vars["ADDR"] = p.addr
	}
	vars["PROCESS"] = p.name
	if p.kind.Control {
		maps.Copy(vars, b.cfg.Control)
	}
	for _, more := range []map[string]string{p.kind.Env, b.variant.Env, b.cfg.Env} {
		for name, value := range more {
			expanded, err := manifest.Expand(value, b.places(p.name))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.name, name, err)
			}
			vars[name] = expanded
		}
	}
	env := os.Environ()
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env, nil
}

// say shows a remark of the lab's own.
func (b *Bench) say(format string, args ...any) {
	b.printer.add(history.Line{Process: history.Lab, Time: time.Now(), Text: fmt.Sprintf(format, args...)})
}

// hear takes what a line says of an order into the ledger. What is wrong with a line that
// almost says something is told once: each of its orders will look lost.
func (b *Bench) hear(line history.Line) {
	if event, ok := line.Event(); ok {
		b.record(event)
		return
	}
	slip := line.Slip()
	if slip == "" {
		return
	}
	b.mu.Lock()
	told := b.slips[slip]
	if b.slips == nil {
		b.slips = map[string]bool{}
	}
	b.slips[slip] = true
	b.mu.Unlock()
	if !told {
		b.say("%s: not in the ledger: %s", line.Process, slip)
	}
}

// record takes an event into the ledger.
func (b *Bench) record(e ledger.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	verdict := b.ledger.Add(e)
	b.lastEvent = time.Now()
	if e.Kind != ledger.Received {
		// To receive an order again and again is no progress.
		b.progress = b.lastEvent
	}
	if b.cfg.Keep {
		b.history.Events = append(b.history.Events, e)
	}
	if b.cfg.Watch != nil {
		b.cfg.Watch(e, verdict)
	}
}

func (b *Bench) mark(act string, fault bool, inFlight int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history.Marks = append(b.history.Marks, history.Mark{
		Time: time.Now(), Act: act, Fault: fault, InFlight: inFlight,
	})
}

// LoadEnded marks the moment from which silence is no wonder.
func (b *Bench) LoadEnded() { b.mark(history.LoadEnds, false, 0) }

// Figures are what those services of the run know of it that can tell: a receiver of telemetry.
func (b *Bench) Figures(ctx context.Context) (map[string]float64, error) {
	b.mu.Lock()
	since := b.history.Started
	b.mu.Unlock()
	all := map[string]float64{}
	for _, s := range b.cfg.Services {
		teller, ok := s.(interface {
			Figures(context.Context, time.Time) (map[string]float64, error)
		})
		if !ok {
			continue
		}
		figures, err := teller.Figures(ctx, since)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, figures)
	}
	return all, nil
}

// Status is the state of a run at a glance.
type Status struct {
	ledger.Summary
	Refused int // orders that customers were told to bring later, or got no answer
	// Unanswered are the requests among the refused that got no answer at all.
	Unanswered int
	Elapsed    time.Duration
	Up         map[string]int // processes that are up, by kind
}

// Status returns the state of the run.
func (b *Bench) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Summary: b.ledger.Summary(), Refused: b.refused, Unanswered: b.unanswered,
		Elapsed: time.Since(b.history.Started), Up: map[string]int{},
	}
	for _, p := range b.procs {
		if p.state == up {
			s.Up[p.kind.Name]++
		}
	}
	return s
}

// Highest are the largest numbers that any line of the log had as the attributes that
// [Config.Gauges] names. One that no line had is not among them.
func (b *Bench) Highest() map[string]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.highest)
}

// gauge keeps the largest values of the attributes that somebody asks for.
func (b *Bench) gauge(line history.Line) {
	for _, name := range b.cfg.Gauges {
		value, err := strconv.ParseFloat(line.Attr(name), 64)
		if err != nil || math.IsNaN(value) {
			continue // most lines do not have it
		}
		b.mu.Lock()
		if highest, seen := b.highest[name]; !seen || value > highest {
			b.highest[name] = value
		}
		b.mu.Unlock()
	}
}

// Err is not nil once a process could not be kept up.
func (b *Bench) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// Open lists some of the accepted orders that have no end yet.
func (b *Bench) Open(limit int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.Open(limit)
}

// History returns a copy of all that happened so far.
func (b *Bench) History() history.Run {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.history
	h.Ended = time.Now()
	h.Events = slices.Clone(h.Events)
	h.Marks = slices.Clone(h.Marks)
	h.Lives = slices.Clone(h.Lives)
	h.Refused = slices.Clone(h.Refused)
	h.Answers = slices.Clone(h.Answers)
	for _, p := range b.procs {
		if !p.since.IsZero() {
			h.Lives = append(h.Lives, history.Life{Process: p.name, From: p.since, To: h.Ended})
		}
	}
	return h
}

// Drain waits until every accepted order has an end and no late event comes
// after it, or until there has been no progress for the settle time, after which
// what is open is lost. It is not called while customers still place orders.
func (b *Bench) Drain(ctx context.Context, settle time.Duration) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	done := began // since when no order is open
	for {
		b.mu.Lock()
		open := b.ledger.Summary().Open
		quiet, stuck := time.Since(b.lastEvent), time.Since(b.progress)
		b.mu.Unlock()
		// A long silence before the drain is no sign of anything: what was
		// broken may have been mended only now.
		waited := time.Since(began)
		if open > 0 {
			done = time.Now()
		}
		listened := time.Since(done)
		if open == 0 && listened > aftermath && (quiet > aftermath || listened > settle) ||
			open > 0 && min(stuck, waited) > settle {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain: %d orders are still open: %w", open, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// aftermath is how long Drain listens for what comes after the last order's end:
// a second effect of an order that was delivered twice.
const aftermath = 300 * time.Millisecond

// Close stops the processes, those that take orders first, and waits until all
// that they wrote has been read. It does not stop the services: whoever started
// them does. Safe to call twice.
func (b *Bench) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	procs := slices.Clone(b.procs)
	b.mu.Unlock()

	var errs []error
	for _, front := range []bool{true, false} {
		var some []*proc
		for _, p := range procs {
			if p.kind.Orders == front {
				some = append(some, p)
			}
		}
		errs = append(errs, b.stopAll(ctx, some)...)
	}
	b.cancel()
	b.group.Wait()
	b.printer.close()
	b.client.CloseIdleConnections()
	if b.wire != nil {
		errs = append(errs, b.wire.close())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.release != nil {
		errs = append(errs, b.release())
		b.release = nil
	}
	return errors.Join(errs...)
}
