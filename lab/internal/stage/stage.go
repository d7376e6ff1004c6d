// Package stage sets everything up around a bench: the run's folder, the
// screen, the built programs and the servers; and takes it all down again.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/services"
)

// Stage is what a run of the lab holds. Its methods are not safe for concurrent
// use unless they say so.
type Stage struct {
	Run    *home.Run
	Screen *screen.Screen
	// Watched says that somebody looks on: what servers print for people is shown, and not only
	// recorded. It is set before anything is provided.
	Watched bool

	log     *os.File
	chain   *services.Chain
	have    map[services.Need]services.Servers
	servers services.Servers  // those in use
	used    map[string]string // by server, where the processes find it
	bin     string
}

// Open opens a run folder and a screen, after cleaning up what runs that were
// killed have left behind.
func Open(ctx context.Context, command string) (*Stage, error) {
	run, err := home.Open(command)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(run.Dir(), "run.log"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the run's log: %w", err), run.Close())
	}
	s := &Stage{
		Run: run, Screen: screen.New(log), log: log, have: map[services.Need]services.Servers{},
	}
	say := func(text string) { s.Screen.Say("%s", text) }
	if err := services.Sweep(ctx, say); err != nil {
		s.Screen.Say("could not clean up after an earlier run: %v", err)
	}
	s.chain, err = services.NewChain(run, services.Options{
		Say: say, Ask: s.Screen.Ask(ctx), Relay: s.relay,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close(), run.Close())
	}
	return s, nil
}

// Beside returns a stage for what is done at the same time as on s: with the same programs, and with
// servers of its own or shared ones. What it starts is stopped when s is closed.
func (s *Stage) Beside() *Stage {
	other := *s
	other.have, other.servers, other.used = map[services.Need]services.Servers{}, nil, nil
	return &other
}

// relay shows a line that a server has printed for people.
func (s *Stage) relay(text string) {
	line := history.Line{Process: "traces", Time: time.Now(), Text: text}
	if s.Watched {
		s.Screen.Show(line)
	} else {
		s.Screen.Record(line)
	}
}

// Close stops what the stage started. Safe to call twice.
func (s *Stage) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := errors.Join(s.chain.Close(ctx), s.Screen.Close(), s.keepLog())
	return errors.Join(err, s.Run.Close())
}

// keepLog moves the log to where it outlives the run: .lab/last/run.log.
func (s *Stage) keepLog() error {
	if s.log == nil {
		return nil
	}
	path := s.log.Name()
	err := s.log.Close()
	s.log = nil
	last, dirErr := LastDir()
	if err = errors.Join(err, dirErr); err == nil {
		err = os.Rename(path, filepath.Join(last, "run.log"))
	}
	if err != nil {
		return fmt.Errorf("keep the run's log: %w", err)
	}
	return nil
}

// LastDir is the folder of what the last run left for people to look at. With a
// name it is the folder of that name in it.
func LastDir(name ...string) (string, error) {
	state, err := home.Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{state, "last"}, name...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of the last run: %w", err)
	}
	return dir, nil
}

// Prepare builds the programs of the step's variants and provides what it needs, both at once:
// a broker takes its time to boot, and so does a compiler. With private, the
// servers are the stage's own and may be broken.
func (s *Stage) Prepare(
	ctx context.Context, step *manifest.Step, variants []string, private, proxy bool,
) error {
	s.Screen.Say("compiling %s and looking for what it needs", step.Name)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Build(ctx, step, variants, proxy) })
	group.Go(func() error { return s.Use(ctx, step.Needs, private) })
	return group.Wait()
}

// Build builds the programs of the step's variants, and with proxy the one that is put between them
// and the servers.
func (s *Stage) Build(
	ctx context.Context, step *manifest.Step, variants []string, proxy bool,
) (err error) {
	s.bin, err = bench.Build(ctx, step, variants, s.Run.Dir(), proxy, s.Run.Children)
	return err
}

// Provide provides servers and returns the variables that lead to them.
func (s *Stage) Provide(ctx context.Context, needs []string) (map[string]string, error) {
	if err := s.Use(ctx, needs, false); err != nil {
		return nil, err
	}
	return s.servers.Env(), nil
}

// Use has the next bench run on these servers. Those that the stage does not have yet are started.
func (s *Stage) Use(ctx context.Context, needs []string, private bool) error {
	s.servers = nil
	for _, text := range needs {
		need, err := services.ParseNeed(text)
		if err != nil {
			return err
		}
		need.Private = private
		if s.have[need] == nil {
			if s.have[need], err = s.chain.Provide(ctx, need); err != nil {
				return err
			}
		}
		s.servers = append(s.servers, s.have[need]...)
	}
	return nil
}

// NeedCompiler makes sure of a C compiler, which the race detector needs.
func (s *Stage) NeedCompiler(ctx context.Context) error {
	_, err := s.chain.Tool(ctx, services.Compiler)
	return err
}

// Config is what a bench needs to run on this stage. Of a server that others may
// use too it gets a part that nobody else uses, a vhost or a database; with apart,
// of every server. The cleanup gives that back; it is never nil.
func (s *Stage) Config(
	ctx context.Context, step *manifest.Step, name string, apart bool,
) (cfg bench.Config, cleanup func(context.Context) error, err error) {
	cfg = bench.Config{Step: step, Run: s.Run, Bin: s.bin, Address: s.servers.Env()}
	var undo []func(context.Context) error
	cleanup = func(ctx context.Context) error {
		var errs []error
		for _, one := range undo {
			errs = append(errs, one(ctx))
		}
		return errors.Join(errs...)
	}
	s.used = map[string]string{}
	if apart {
		env, one, err := s.servers.Isolate(ctx, name)
		cfg.Address, undo = env, append(undo, one)
		if err != nil {
			return cfg, cleanup, err
		}
	}
	names := s.servers.Names()
	for i, server := range s.servers {
		cfg.Services = append(cfg.Services, breakable{server, names[i]})
		if apart || !server.Shared() {
			continue
		}
		env, one, err := server.IsolateFor(ctx, s.Run, name)
		if err != nil {
			return cfg, cleanup, err
		}
		undo = append(undo, one)
		for variable, address := range env {
			if cfg.Address[variable] == server.URL {
				s.used[server.Name] = address
			}
			cfg.Address[variable] = address
		}
	}
	return cfg, cleanup, nil
}

// breakable is a server as a bench sees it.
type breakable struct {
	*services.Server
	name string // among those in use
}

func (b breakable) Name() string { return b.name }

// Describe says what runs where, a few lines for a person.
func (s *Stage) Describe() []string {
	var lines []string
	for _, server := range s.servers {
		address := server.URL
		if own, ok := s.used[server.Name]; ok {
			address = own
		}
		what := server.Provider
		if server.Version != "" { // not every server tells it
			what = server.Version + ", " + what
		}
		lines = append(lines,
			fmt.Sprintf("  %-11s %s", server.Name, what),
			fmt.Sprintf("  %-11s %s", "", server.ShownAs(address)))
		if server.Page == "" {
			continue
		}
		page := fmt.Sprintf("  %-11s %s", "", server.Page)
		if server.Login != "" {
			page += "   log in as " + server.Login
		}
		lines = append(lines, page)
	}
	return lines
}
