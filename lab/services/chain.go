package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"course.example/lab/internal/home"
)

// The links of the chain, in their order, by the names that LAB_SKIP takes.
const (
	LinkEnv     = "env"     // an environment variable names a server
	LinkPort    = "port"    // a server answers on its usual port
	LinkDocker  = "docker"  // a Docker engine can run one
	LinkNative  = "native"  // it is installed on this machine
	LinkStandIn = "standin" // something in this process can take its place
	LinkInstall = "install" // it can be installed
)

// Options change how a chain works. The zero value is right for a program without a terminal.
type Options struct {
	// Say is called with one line for whatever people should know: what is used, why another
	// way was not taken. nil keeps quiet. It may be called from several goroutines at once.
	Say func(line string)
	// Ask puts a question that takes yes or no, before something is installed. nil means that
	// there is nobody to ask, and counts as yes.
	Ask func(question string) bool
	// Skip names links to leave out, besides those in LAB_SKIP.
	Skip []string
	// Relay is called with each line that a stand-in prints for people, such as a trace. nil leaves
	// it in the server's log.
	Relay func(line string)
	// Container takes the place of the docker link's own way: it makes one container, which
	// does not run yet. Tests put testcontainers-go here.
	Container func(ctx context.Context, image Image) (Instance, error)
	// Images are what Container needs besides the server's own. They are pulled first: a library
	// may go on trying for a quarter of an hour where there is no way to a registry.
	Images []string
}

// Image is what a container is made of.
type Image struct {
	Kind Kind
	Name string
	Env  []string // NAME=value
	Args []string // of the server
	// Inside are the ports within the container, Outside those of this machine, in the same order.
	Inside, Outside []int
}

// Chain provides servers for one run and stops those it started. It is safe for concurrent use.
type Chain struct {
	run    *home.Run
	opts   Options
	policy installPolicy
	skip   []string
	site   *site
	claims claims

	receivers receivers

	ctx    context.Context // ends when the chain is closed
	cancel context.CancelFunc

	mu      sync.Mutex
	started Servers
	used    map[Kind]int // how many servers of a kind were asked for
	compose []string     // services used, to be released
	closed  bool
}

// NewChain makes a chain whose servers keep their data in the run's folder. Close it before the
// run. It fails on settings (LAB_SKIP, LAB_INSTALL) that mean nothing.
func NewChain(run *home.Run, opts Options) (*Chain, error) {
	c := &Chain{run: run, opts: opts, site: &site{run: run, shared: map[Kind]any{}}, used: map[Kind]int{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	var err error
	if c.policy, err = readInstallPolicy(); err != nil {
		return nil, err
	}
	if c.skip, err = readSkip(opts.Skip); err != nil {
		return nil, err
	}
	if c.opts.Say == nil {
		c.opts.Say = func(string) {}
	}
	c.claims = claims{run: run, say: c.opts.Say}
	return c, nil
}

func readSkip(skip []string) ([]string, error) {
	all := []string{LinkEnv, LinkPort, LinkDocker, LinkNative, LinkStandIn, LinkInstall}
	skip = slices.Clone(skip)
	for word := range strings.SplitSeq(os.Getenv("LAB_SKIP"), ",") {
		if word = strings.TrimSpace(word); word != "" {
			skip = append(skip, word)
		}
	}
	for _, word := range skip {
		if !slices.Contains(all, word) {
			return nil, fmt.Errorf("LAB_SKIP: there is no %q, only %s",
				word, strings.Join(all, ", "))
		}
	}
	return skip, nil
}

// link is one way to come by a server.
type link struct {
	name string
	// look says without changing anything whether this way can be tried: what it found, or the
	// reason why not. A reason that wraps errQuiet is the usual case and not worth a line.
	look func(ctx context.Context, need Need) (found string, err error)
	// provide takes it.
	provide func(ctx context.Context, need Need) (Servers, error)
	// final says that when it fails no other way is tried.
	final bool
}

var errQuiet = errors.New("")

func quietly(format string, args ...any) error {
	return fmt.Errorf(format+"%w", append(args, errQuiet)...)
}

func (c *Chain) links() []link {
	return []link{
		// A server that was named on purpose is used or is an error, and never passed over.
		{LinkEnv, c.lookEnv, c.provideEnv, true},
		{LinkPort, c.lookPort, c.providePort, false},
		{LinkDocker, c.lookDocker, c.provideDocker, false},
		{LinkNative, c.lookNative, c.provideNative, false},
		{LinkStandIn, c.lookStandIn, c.provideStandIn, false},
		{LinkInstall, c.lookInstall, c.provideInstall, false},
	}
}

// Provide returns ready servers for the need, by the first link that holds, and says which.
// When none does the error says why and lists the ways out. Whatever was started is stopped by
// [Chain.Close].
func (c *Chain) Provide(ctx context.Context, need Need) (Servers, error) {
	if err := need.check(); err != nil {
		return nil, err
	}
	need = c.number(need)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var reasons []string
	for _, l := range c.links() {
		_, err := c.look(ctx, l, need)
		var servers Servers
		if err == nil {
			servers, err = l.provide(ctx, need)
		}
		switch {
		case err == nil:
			for _, s := range servers {
				c.opts.Say(describe(s))
			}
			return servers, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s: %w", need, err)
		case l.final && !errors.Is(err, errQuiet):
			return nil, err
		case !errors.Is(err, errQuiet):
			c.opts.Say(fmt.Sprintf("%s: %v", need, err))
		}
		// The log of a server that does not come up was said above; once is enough.
		brief, _, _ := strings.Cut(err.Error(), "\n")
		reasons = append(reasons, fmt.Sprintf("%-8s %s", l.name, brief))
	}
	return nil, c.waysOut(need, reasons)
}

func (c *Chain) look(ctx context.Context, l link, need Need) (string, error) {
	if slices.Contains(c.skip, l.name) {
		return "", quietly("left out (LAB_SKIP)")
	}
	return l.look(ctx, need)
}

func describe(s *Server) string {
	version := s.Version
	if version != "" {
		version = " " + version
	}
	title := traits[s.Kind].title
	line := fmt.Sprintf("%s: %s%s, %s, %s", s.Name, title, version, s.Provider, s.Shown())
	if s.Page != "" {
		line += ", page " + s.Page
	}
	if s.Page != "" && s.Login != "" {
		line += " (login " + s.Login + ")"
	}
	return line
}

// waysOut is the one clear message when nothing held.
func (c *Chain) waysOut(need Need, reasons []string) error {
	t := traits[need.Kind]
	ways := c.unset()
	ways = append(ways, "install Docker and start it: "+
		"https://docs.docker.com/get-started/get-docker/")
	if !need.Private {
		ways = append(ways, fmt.Sprintf("start a server yourself and set %s, like %s=%s",
			t.env, t.env, t.usual().URL))
	}
	if command := t.installCommand(); command != "" {
		ways = append(ways, "install it: "+command)
	}
	title := t.title
	if need.Durable {
		title = durable + " " + title
	}
	return fmt.Errorf("no %s to be had. What was tried:\n    %s\nWays out:\n    %s",
		title, strings.Join(reasons, "\n    "), strings.Join(ways, "\n    "))
}

// installCommand is what a person would type to install the server on this system, empty when
// it is installed already or there is no such command.
func (t trait) installCommand() string {
	in, err := findInstaller()
	pkg := t.packages[in.manager]
	if err != nil || pkg == "" || t.native == nil {
		return ""
	}
	if _, err := t.installed(); !errors.Is(err, errNotInstalled) {
		return ""
	}
	return in.command(pkg)
}

// unset are the settings that keep the chain from what it could do.
func (c *Chain) unset() []string {
	var ways []string
	for _, name := range []string{"LAB_SKIP", "LAB_INSTALL"} {
		if value := os.Getenv(name); value != "" && value != "yes" && value != "ask" {
			ways = append(ways, fmt.Sprintf("unset %s, which is %q", name, value))
		}
	}
	return ways
}

// number gives a need its place among those of its kind. The names of its servers come from it,
// whichever link provides them: a link that fails must not use a name up, by which experiments
// call the server.
func (c *Chain) number(need Need) Need {
	c.mu.Lock()
	defer c.mu.Unlock()
	need.first = c.used[need.Kind] + 1
	c.used[need.Kind] += need.count()
	return need
}

func (c *Chain) newServer(need Need, provider string, a address) *Server {
	return &Server{
		Kind: need.Kind, Name: need.name(), Provider: provider, URL: a.URL, Page: a.Page,
		Login: a.Login, management: a.Management, handshake: traits[need.Kind].handshake,
	}
}

// own takes a server into the chain's keeping before it is started, so that [Chain.Close] ends
// it however far its start gets.
func (c *Chain) own(s *Server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the chain is closed")
	}
	c.started = append(c.started, s)
	return nil
}

// Close ends every server this chain started, in the reverse order, and removes its data.
// Others stay as they are. Safe to call twice, and to call while [Chain.Provide] runs.
func (c *Chain) Close(ctx context.Context) error {
	c.cancel() // a server that is coming up need not
	c.mu.Lock()
	c.closed = true
	servers, services := slices.Clone(c.started), c.compose
	c.compose = nil
	c.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(servers) {
		errs = append(errs, s.Close(ctx))
	}
	errs = append(errs, c.site.close(ctx))
	for _, service := range services {
		errs = append(errs, c.claims.release(ctx, service))
	}
	return errors.Join(errs...)
}

// Sweep cleans up after labs that were killed: their processes and data (see [home.Sweep]),
// their containers, and the compose services nobody uses any more. One line each goes to say.
func Sweep(ctx context.Context, say func(string)) error {
	// Before their records go with the rest.
	err := sweepPlaces(ctx, say)
	err = errors.Join(err, home.Sweep(say))
	if _, engineErr := engine(ctx); engineErr != nil {
		return err
	}
	return errors.Join(err, sweepContainers(ctx, say), sweepCompose(ctx, say))
}

func sweepContainers(ctx context.Context, say func(string)) error {
	state, err := home.Dir()
	if err != nil {
		return err
	}
	live, err := home.Live()
	if err != nil {
		return err
	}
	out, err := runDocker(ctx, "ps", "--all", "--filter", "label="+labelDir+"="+state,
		"--format", "{{.Names}} {{.Label \""+labelRun+"\"}}")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(out) {
		name, run, _ := strings.Cut(strings.TrimSpace(line), " ")
		owned := slices.ContainsFunc(live, func(r home.Record) bool { return r.ID == run })
		if name == "" || owned {
			continue
		}
		if err := (&container{name: name, created: true}).Close(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		say(fmt.Sprintf("removed container %s of run %s, which was killed", name, run))
	}
	return errors.Join(errs...)
}

func sweepCompose(ctx context.Context, say func(string)) error {
	dir, err := claims{}.mark("")
	if err != nil {
		return err
	}
	marks, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for compose services: %w", err)
	}
	var errs []error
	for _, m := range marks {
		errs = append(errs, endUnused(ctx, m.Name(), func(string) {}))
		if _, err := os.Stat(filepath.Join(dir, m.Name())); err != nil {
			say("stopped the compose service " + m.Name() + " of a run that was killed")
		}
	}
	return errors.Join(errs...)
}
