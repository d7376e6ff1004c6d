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
type native interface {
	// find returns the programs needed, by name, or an error that says which one is missing.
	find() (map[string]string, error)
	// ports is how many local ports an instance takes, the first being the one clients use.
	ports() int
	// prepare makes an instance's folders and configuration. It does not start it.
	prepare(ctx context.Context, at *site, name string, ports []int) (*process, error)
}

// site is where native instances live: one run's folder, or the one of `lab up`.
type site struct {
	run      *home.Run
	detached bool

	mu     sync.Mutex
	epmd   *process // one for all RabbitMQ nodes of the run
	cookie string
	port   int // epmd's
	closed bool
}

// close ends what the instances shared; they must have ended before.
func (at *site) close(ctx context.Context) error {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.closed = true
	if at.epmd == nil {
		return nil
	}
	err := at.epmd.close(ctx)
	at.epmd = nil
	return err
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

func (p *process) start(context.Context) error {
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

func (p *process) stop(context.Context) error {
	proc := p.current()
	if proc == nil {
		return nil
	}
	return proc.Stop(p.grace, p.stopBy)
}

func (p *process) kill(context.Context) error {
	proc := p.current()
	if proc == nil {
		return nil
	}
	err := proc.KillGroup()
	<-proc.Done()
	return err
}

func (p *process) close(ctx context.Context) error {
	var err error
	if proc := p.current(); p.closeBy != nil && proc != nil {
		err = proc.Stop(p.grace, p.closeBy)
	} else {
		err = p.kill(ctx)
	}
	for _, dir := range p.dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
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

func (p *process) tail(context.Context) []string { return lastLines(p.log) }

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

func noNativeOn(what string) error {
	return fmt.Errorf("the lab cannot start %s by itself on %s", what, runtime.GOOS)
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
