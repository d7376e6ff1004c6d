// Package bench runs a step as students see it: its processes, the services
// they need, customers who place orders, faults, and the ledger of it all.
// `lab run`, `lab break` and the black-box tests are three ways to use it.
package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/middle"
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

// Bench is a running step. Four have a job each and a lock of their own: the supervisor looks
// after the processes, the customers place orders, the faults carry out acts, the record keeps
// the ledger and the history. None calls another with its lock held. The methods are safe for
// concurrent use.
type Bench struct {
	*supervisor
	*customers
	*faults
	*record

	services []Service
	printer  *printer
	// middle tells what still waits; nil when the step has nobody who could.
	middle interface {
		Ask(context.Context) (middle.Waiting, error)
	}
	started time.Time
}

// Start starts the step's processes and returns when all are ready. What it
// started is stopped by [Bench.Close], which must be called even when Start's
// caller goes on to fail; when Start itself fails it has cleaned up.
func Start(ctx context.Context, cfg Config) (*Bench, error) {
	variant, err := cfg.Step.Variant(cfg.Variant)
	if err != nil {
		return nil, err
	}
	b := assemble(ctx, cfg, variant)
	if err := b.startAll(ctx, cfg); err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// benches counts those of this lab: what the processes of one share is not the next one's.
var benches atomic.Int64

// assemble makes a bench on which nothing runs yet.
func assemble(ctx context.Context, cfg Config, variant manifest.Variant) *Bench {
	printer := newPrinter(cfg.Show)
	rec := newRecord(cfg, variant.Name, printer)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	sup := &supervisor{
		cfg: cfg, bin: cfg.Bin, variant: variant, record: rec, printer: printer, client: client,
		shared: fmt.Sprintf("shared-%d", benches.Add(1)),
	}
	// The bench outlives the context of its start: an interrupted run must
	// still drain. Close ends it.
	sup.ctx, sup.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b := &Bench{
		supervisor: sup, record: rec, printer: printer, services: cfg.Services,
		started: time.Now(),
	}
	b.customers = &customers{
		record: rec, printer: printer, client: client, doors: sup.doors,
		patient: cfg.Patience,
	}
	b.faults = newFaults(cfg, b)
	if cfg.Step.Waiting != nil {
		b.middle = &middle.Middle{
			How: *cfg.Step.Waiting, Address: cfg.Address, Doors: sup.doorsOf, Client: client,
		}
	}
	return b
}

func (b *Bench) startAll(ctx context.Context, cfg Config) error {
	if cfg.Proxy {
		w, err := startWire(ctx, cfg.Run, cfg.Bin)
		if err != nil {
			return err
		}
		b.wire = w
	}
	for _, kind := range cfg.Step.Processes {
		want := kind.Count
		if n, ok := cfg.Scale[kind.Name]; ok {
			want = n
		}
		if err := b.startKind(ctx, kind, want); err != nil {
			return err
		}
	}
	return nil
}

// Figures are what those services of the run know of it that can tell: a receiver of telemetry.
func (b *Bench) Figures(ctx context.Context) (map[string]float64, error) {
	all := map[string]float64{}
	for _, s := range b.cfg.Services {
		teller, ok := s.(interface {
			Figures(context.Context, time.Time) (map[string]float64, error)
		})
		if !ok {
			continue
		}
		figures, err := teller.Figures(ctx, b.started)
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
	// Waits says what still waited when the run was given up, or is empty: then it has come to
	// its end.
	Waits string
	// Differs says in what the log differs from the step's book, whose figures these are. It is
	// empty when they agree, and when the step keeps no book.
	Differs string
	Up      map[string]int // processes that are up, by kind
}

// Status returns the state of the run.
func (b *Bench) Status() Status {
	s := b.record.status()
	s.Up = b.up()
	return s
}

// History returns a copy of all that happened so far.
func (b *Bench) History() history.Run {
	h := b.record.copy()
	h.Lives = b.allLives()
	return h
}

// Close stops the processes, those that take orders first, and waits until all
// that they wrote has been read. It does not stop the services: whoever started
// them does. Safe to call twice.
func (b *Bench) Close(ctx context.Context) error {
	err := b.supervisor.close(ctx)
	b.printer.close()
	if b.wire != nil {
		err = errors.Join(err, b.wire.close())
	}
	return err
}
