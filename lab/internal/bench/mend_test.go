package bench

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/act"
	"course.example/lab/internal/manifest"
)

// fake is a service that can be broken, and writes down what was done to it.
type fake struct {
	name     string
	foreign  bool
	stopping chan struct{} // when not nil: Stop says that it has begun, and waits
	release  chan struct{}

	mu   sync.Mutex
	done []string
}

func (s *fake) Name() string { return s.name }
func (s *fake) Owned() bool  { return !s.foreign }

func (s *fake) did(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, what)
	return nil
}

func (s *fake) acts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.done, " ")
}

func (s *fake) Kill(context.Context) error   { return s.did("kill") }
func (s *fake) Start(context.Context) error  { return s.did("start") }
func (s *fake) Pause(context.Context) error  { return s.did("pause") }
func (s *fake) Resume(context.Context) error { return s.did("resume") }

func (s *fake) Stop(context.Context) error {
	if s.stopping != nil {
		close(s.stopping)
		<-s.release
	}
	return s.did("stop")
}

// withServers is a bench without processes.
func withServers(t *testing.T, servers ...*fake) *Bench {
	t.Helper()
	cfg := Config{Step: &manifest.Step{}}
	for _, s := range servers {
		cfg.Services = append(cfg.Services, s)
		cfg.Step.Needs = append(cfg.Step.Needs, s.name)
	}
	b := assemble(t.Context(), cfg, manifest.Variant{})
	t.Cleanup(b.printer.close)
	return b
}

// What an act has broken is mended, once, and what was not broken is left alone.
func TestServicesAreMended(t *testing.T) {
	t.Parallel()
	for acts, want := range map[string]string{
		"":                             "",
		"kill db":                      "kill start",
		"stop db":                      "stop start",
		"pause db":                     "pause resume",
		"restart db":                   "stop start",
		"kill db, start db":            "kill start",
		"pause db, resume db":          "pause resume",
		"pause db, kill db":            "pause kill resume start",
		"kill db, start db, stop db":   "kill start stop start",
		"restart db, kill db":          "stop start kill start",
		"kill db, restart db":          "kill stop start",
		"pause db, resume db, stop db": "pause resume stop start",
	} {
		db := &fake{name: "db"}
		b := withServers(t, db, &fake{name: "other"})
		for act := range strings.SplitSeq(acts, ", ") {
			if act == "" {
				continue
			}
			if err := b.Do(t.Context(), act); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // there is nothing to mend the second time
			if err := b.Mend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := db.acts(); got != want {
			t.Errorf("%q and mended: %q, want %q", acts, got, want)
		}
		if got := b.services[1].(*fake).acts(); got != "" {
			t.Errorf("%q: the other server got %q", acts, got)
		}
	}
}

// A restart that is under way has neither broken anything yet nor mended it.
func TestMendWaitsForTheActThatIsUnderWay(t *testing.T) {
	t.Parallel()
	db := &fake{name: "db", stopping: make(chan struct{}), release: make(chan struct{})}
	b := withServers(t, db)
	acted := make(chan error, 1)
	go func() { acted <- b.Do(t.Context(), "restart db") }()
	<-db.stopping
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Mend(ctx); err == nil {
		t.Error("mended in the middle of a restart")
	}
	close(db.release)
	if err := <-acted; err != nil {
		t.Fatal(err)
	}
	if err := b.Mend(t.Context()); err != nil || db.acts() != "stop start" {
		t.Errorf("after the restart: %v, %q", err, db.acts())
	}
}

// A server that the lab has not started belongs to somebody.
func TestForeignServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := &fake{name: "db", foreign: true}
	b := withServers(t, db)
	for _, verb := range []string{"kill", "stop", "start", "restart", "pause", "resume"} {
		err := b.Do(t.Context(), verb+" db")
		if err == nil || !strings.Contains(err.Error(), act.ErrCannot.Error()) {
			t.Errorf("%s: %v, want that it cannot be done", verb, err)
		}
	}
	if got := db.acts(); got != "" {
		t.Errorf("it got %q", got)
	}
}

// How much a fault may duplicate is what the processes held that it hits.
func TestInFlightOfAFault(t *testing.T) {
	t.Parallel()
	b := withServers(t, &fake{name: "db"})
	kind := manifest.Process{Name: "consumer", InFlight: 10}
	other := manifest.Process{Name: "mailer", InFlight: 1}
	b.cfg.Step.Processes = []manifest.Process{kind, other}
	b.procs = []*proc{
		{name: "consumer-1", kind: kind, state: up}, {name: "consumer-2", kind: kind, state: paused},
		{name: "consumer-3", kind: kind, state: down}, {name: "mailer-1", kind: other, state: coming},
	}
	for _, p := range b.procs {
		p.sup = b.supervisor
	}
	for words, want := range map[string]int{
		"kill consumer-1": 10, "kill consumer-2": 10, "kill consumer-3": 0, "kill mailer-1": 1,
		"kill every consumer": 20, "kill db": 21, "kill nobody": 0, "start consumer-3": 0,
		"restart db": 21, "poison 3": 0,
	} {
		a, who, err := act.Parse(words)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.inFlight(a, who); got != want {
			t.Errorf("%s: %d in flight, want %d", words, got, want)
		}
	}
}

// A kind is replaced by one of its processes for which the act makes sense.
func TestChoiceOfAProcess(t *testing.T) {
	t.Parallel()
	b := withServers(t)
	kind := manifest.Process{Name: "consumer"}
	b.cfg.Step.Processes = []manifest.Process{kind}
	b.procs = []*proc{{sup: b.supervisor, name: "consumer-1", kind: kind, state: down}}
	for _, name := range act.Names() {
		a, err := act.Find(name)
		if err != nil || a.Suits == nil {
			continue // it is done to nobody
		}
		words, err := b.choose(a, []string{"consumer"})
		if name == "start" {
			if err != nil || !slices.Equal(words, []string{"consumer-1"}) {
				t.Errorf("start: %q, %v", words, err)
			}
		} else if err == nil {
			t.Errorf("%s: the only one is down, and %q was chosen", name, words)
		}
	}
}
