package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/manifest"
)

// server is a service that can be broken, and writes down what was done to it.
type server struct {
	name     string
	foreign  bool
	stopping chan struct{} // when not nil: Stop says that it has begun, and waits
	release  chan struct{}

	mu   sync.Mutex
	done []string
}

func (s *server) Name() string { return s.name }
func (s *server) Owned() bool  { return !s.foreign }

func (s *server) did(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, what)
	return nil
}

func (s *server) acts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.done, " ")
}

func (s *server) Kill(context.Context) error   { return s.did("kill") }
func (s *server) Start(context.Context) error  { return s.did("start") }
func (s *server) Pause(context.Context) error  { return s.did("pause") }
func (s *server) Resume(context.Context) error { return s.did("resume") }

func (s *server) Stop(context.Context) error {
	if s.stopping != nil {
		close(s.stopping)
		<-s.release
	}
	return s.did("stop")
}

// withServers is a bench without processes.
func withServers(t *testing.T, servers ...*server) *Bench {
	t.Helper()
	cfg := Config{Step: &manifest.Step{}}
	for _, s := range servers {
		cfg.Services = append(cfg.Services, s)
		cfg.Step.Needs = append(cfg.Step.Needs, s.name)
	}
	b := &Bench{cfg: cfg, printer: newPrinter(nil)}
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
		db := &server{name: "db"}
		b := withServers(t, db, &server{name: "other"})
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
		if got := b.cfg.Services[1].(*server).acts(); got != "" {
			t.Errorf("%q: the other server got %q", acts, got)
		}
	}
}

// A restart that is under way has neither broken anything yet nor mended it.
func TestMendWaitsForTheActThatIsUnderWay(t *testing.T) {
	t.Parallel()
	db := &server{name: "db", stopping: make(chan struct{}), release: make(chan struct{})}
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
	db := &server{name: "db", foreign: true}
	b := withServers(t, db)
	for _, verb := range []string{"kill", "stop", "start", "restart", "pause", "resume"} {
		err := b.Do(t.Context(), verb+" db")
		if err == nil || !strings.Contains(err.Error(), ErrCannot.Error()) {
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
	b := withServers(t, &server{name: "db"})
	kind := manifest.Process{Name: "consumer", InFlight: 10}
	other := manifest.Process{Name: "mailer", InFlight: 1}
	b.cfg.Step.Processes = []manifest.Process{kind, other}
	b.procs = []*proc{
		{name: "consumer-1", kind: kind, state: up}, {name: "consumer-2", kind: kind, state: paused},
		{name: "consumer-3", kind: kind, state: down}, {name: "mailer-1", kind: other, state: coming},
	}
	for words, want := range map[string]int{
		"kill consumer-1": 10, "kill consumer-2": 10, "kill consumer-3": 0, "kill mailer-1": 1,
		"kill every consumer": 20, "kill db": 21, "kill nobody": 0, "start consumer-3": 0,
		"restart db": 21, "poison 3": 0,
	} {
		all := strings.Fields(words)
		if got := b.inFlight(verbs()[all[0]].fault, all); got != want {
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
	b.rng = rand.New(rand.NewPCG(1, 0))
	b.procs = []*proc{{name: "consumer-1", kind: kind, state: down}}
	if words, err := b.choose([]string{"start", "consumer"}); err != nil ||
		!slices.Equal(words, []string{"start", "consumer-1"}) {
		t.Errorf("start: %q, %v", words, err)
	}
	for _, verb := range []string{"kill", "stop", "pause", "resume"} {
		if words, err := b.choose([]string{verb, "consumer"}); err == nil {
			t.Errorf("%s: the only one is down, and %q was chosen", verb, words)
		}
	}
}
