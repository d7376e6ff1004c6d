package services

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

// native starts servers that are installed on this machine as private child processes.
type native struct {
	// find returns the paths of the programs needed, the server's first, or an error that says
	// which one is missing.
	find func() ([]string, error)
	// tool is the program in the module lab/tools that is built where none is installed; "" where
	// the server is not written in Go.
	tool string
	// more is how many ports an instance takes besides those that clients use.
	more int
	// reach says that prepare leads a node to the others by node.reach, where that is set. The others
	// listen on the port behind those for clients.
	reach bool
	// prepare makes an instance's folders and configuration. It does not start it.
	prepare func(ctx context.Context, n node) (*process, error)
	// stop is the signal on which the server ends cleanly and soon; nil is SIGTERM. grace bounds
	// how long that may take; 0 is half a minute. closeByStop has a server end that way even when
	// its data goes anyway.
	stop        os.Signal
	grace       time.Duration
	closeByStop bool
}

// installed is find on a system where native servers can be started.
func (t trait) installed() ([]string, error) {
	switch {
	case t.native == nil:
		return nil, fmt.Errorf("the lab runs %s in Docker only", t.title)
	case runtime.GOOS == "windows":
		return nil, fmt.Errorf("the lab cannot start %s by itself on %s", t.title, runtime.GOOS)
	}
	return t.native.find()
}

// node is an instance that is to be prepared.
type node struct {
	site     *site
	name     string
	programs []string // as find returned them
	ports    []int
	// all are the ports of all nodes of the need, for those that must know each other.
	all     [][]int
	reach   []string // where it reaches the others, when that is not on their ports
	durable bool     // it gets the kind's arguments for that
}

// process is the node as a process with what is the same for every server.
func (n node) process(dir, program string, args ...string) *process {
	t := traits[kindOf(n.name)]
	of := t.native
	args = append(args, t.args...)
	if n.durable {
		args = append(args, t.durable...)
	}
	p := &process{
		spec: child.Spec{
			Name: n.name, Path: program, Args: args, Dir: dir,
			Record: n.site.run.Children, Detached: n.site.detached,
		},
		log: filepath.Join(n.site.run.Dir(), n.name+".log"), dirs: []string{dir},
		grace: cmp.Or(of.grace, 30*time.Second), stopBy: (*child.Process).Terminate,
	}
	if of.stop == os.Interrupt {
		p.stopBy = (*child.Process).Interrupt
	}
	if of.closeByStop {
		p.closeBy = p.stopBy
	}
	return p
}

// site is where native instances live: one run's folder, or the one of `lab up`.
type site struct {
	run      *home.Run
	detached bool

	mu      sync.Mutex
	shared  map[Kind]any // what the instances of a kind share
	helpers []*process   // and the processes among that
	relays  []*relays    // between the nodes of clusters
	closed  bool
}

// close ends what the instances shared; they must have ended before.
func (at *site) close(ctx context.Context) error {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.closed = true
	var errs []error
	for _, p := range at.helpers {
		errs = append(errs, p.Close(ctx))
	}
	at.helpers = nil
	for _, r := range at.relays {
		r.close()
	}
	at.relays = nil
	return errors.Join(errs...)
}

// process is an instance that is a child process.
type process struct {
	spec    child.Spec
	log     string // file that takes all output
	dirs    []string
	grace   time.Duration // for a clean stop
	stopBy  func(*child.Process) error
	closeBy func(*child.Process) error // nil: SIGKILL, because the data goes anyway
	plain   []string                   // environment without what only makes it faster
	relay   func(line string)          // nil: what it prints goes into the log

	mu   sync.Mutex
	proc *child.Process
}

// tailLines is how much of its log a server that does not come up shows.
const tailLines = 25

func (p *process) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil && !hasEnded(p.proc) {
		return errors.New("it is already running")
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open its log: %w", err)
	}
	spec := p.spec
	// A file is handed to the child itself: it can go on writing when the lab has ended.
	spec.Stdout, spec.Stderr = log, log
	if p.relay != nil {
		spec.Stdout = &lineWriter{emit: p.relay}
	}
	proc, err := child.Start(spec)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	p.proc = proc
	return nil
}

// fallBack gives up what only makes the start faster: it may be why it failed.
func (p *process) fallBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plain != nil {
		p.spec.Env = p.plain
	}
}

func (p *process) Stop(context.Context) error {
	proc := p.current()
	if proc == nil {
		return nil
	}
	return proc.Stop(p.grace, p.stopBy)
}

func (p *process) Kill(context.Context) error {
	proc := p.current()
	if proc == nil {
		return nil
	}
	err := proc.KillGroup()
	<-proc.Done()
	return err
}

func (p *process) Close(ctx context.Context) error {
	var err error
	if proc := p.current(); p.closeBy != nil && proc != nil {
		err = proc.Stop(p.grace, p.closeBy)
	} else {
		err = p.Kill(ctx)
	}
	for _, dir := range p.dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// Command runs a program that lies beside the server, in the server's environment.
func (p *process) Command(ctx context.Context, program string, args ...string) (string, error) {
	path, err := lookFor(program, filepath.Join(filepath.Dir(p.spec.Path), program), program)
	if err != nil {
		return "", err
	}
	return child.Run(ctx, child.Spec{
		Name: program, Path: path, Args: args, Dir: p.spec.Dir, User: p.spec.User,
		Env: p.spec.Env, Record: p.spec.Record,
	})
}

func (p *process) ended() <-chan struct{} {
	if proc := p.current(); proc != nil {
		return proc.Done()
	}
	return nil
}

func (p *process) current() *child.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc
}

func hasEnded(p *child.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

func (p *process) Tail(context.Context) []string { return lastLines(p.log) }

// lastLines returns the end of a log file, or nothing when it cannot be read.
func lastLines(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var lines []string
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if strings.TrimSpace(scan.Text()) == "" {
			continue
		}
		lines = append(lines, scan.Text())
		if len(lines) > tailLines {
			lines = lines[1:]
		}
	}
	return lines
}

// portTaken recognises in a log that somebody else took the port in the last moment.
func portTaken(lines []string) bool {
	for _, line := range lines {
		line = strings.ToLower(line)
		if strings.Contains(line, "eaddrinuse") || strings.Contains(line, "already in use") {
			return true
		}
	}
	return false
}

// errNotInstalled says that a program is in none of the places where it is usually put.
var errNotInstalled = errors.New("not installed")

// lookFor returns the first program found: patterns are absolute paths with wildcards, of which
// the last match wins as the highest version, or bare names to look for on PATH.
func lookFor(name string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if !filepath.IsAbs(pattern) {
			if path, err := exec.LookPath(pattern); err == nil {
				return path, nil
			}
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("look for %s: %w", name, err)
		}
		slices.SortFunc(found, byVersion)
		for _, path := range slices.Backward(found) {
			if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is %w", name, errNotInstalled)
}

var number = regexp.MustCompile(`\d+`)

// byVersion orders paths by the numbers in them, so that 9.6 comes before 15.
func byVersion(a, b string) int {
	return slices.CompareFunc(number.FindAllString(a, -1), number.FindAllString(b, -1),
		func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
		})
}

// brewed returns the patterns for a program in the places where Homebrew puts a formula.
func brewed(formula, rest string) []string {
	return []string{
		"/opt/homebrew/opt/" + formula + "/" + rest,
		"/usr/local/opt/" + formula + "/" + rest,
		"/home/linuxbrew/.linuxbrew/opt/" + formula + "/" + rest,
	}
}

// environ is the environment without the variables of the given prefixes: settings for the
// system's own server must not lead a private one to the system's folders.
func environ(without []string, add ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !slices.ContainsFunc(without, func(p string) bool { return strings.HasPrefix(kv, p) }) {
			env = append(env, kv)
		}
	}
	return append(env, add...)
}

// ownFolder makes a folder that the account can use. The checkout of root may lie where no
// other user can go; then the folder is made among the temporary files.
func (at *site) ownFolder(ctx context.Context, name, account string) (string, error) {
	dir, err := at.run.MkdirData(name)
	if err != nil || account == "" {
		return dir, err
	}
	if err := child.Chown(dir, account); err != nil {
		return "", fmt.Errorf("give %s its folder: %w", name, err)
	}
	if canUse(ctx, dir, account) {
		return dir, nil
	}
	if err := os.Remove(dir); err != nil {
		return "", fmt.Errorf("folder for %s: %w", name, err)
	}
	dir, err = at.run.MkdirTemp(name)
	if err != nil {
		return "", err
	}
	if err := child.Chown(dir, account); err != nil {
		return "", fmt.Errorf("give %s its folder: %w", name, err)
	}
	if !canUse(ctx, dir, account) {
		return "", fmt.Errorf("the user %s can reach neither the state folder nor %s: "+
			"set TMPDIR to a folder every user can reach", account, os.TempDir())
	}
	return dir, nil
}

// canUse tries as the account itself: permissions have more rules than are worth repeating.
func canUse(ctx context.Context, dir, account string) bool {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return false
	}
	_, err = child.Run(ctx, child.Spec{
		Name: "permission check", Path: sh, Dir: "/", User: account,
		Args: []string{"-c", `cd "$1" && test -w .`, "sh", dir},
	})
	return err == nil
}
