package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

// Options are the same for all packages of a run.
type Options struct {
	AtOnce int // how many packages at a time, at the most
	// Room says that the machine has room for one more package; nil is always. It is asked before
	// each package that would be tested beside two others.
	Room   func() bool
	Args   []string // for every program, as go test would hand them on: -test.run=...
	Env    []string // besides each package's own
	LogDir string   // for the whole output of each package, in a file of its own
	Record *home.Children
	// Done is called for each package that has ended, one at a time.
	Done func(Result)
}

// Result is what became of the tests of one package.
type Result struct {
	Package Package
	Took    time.Duration
	CPU     time.Duration // of its processes and theirs, as far as they were waited for
	Tests   []Test        // all that ended, subtests too
	Red     []Test        // those to look at when Err is not nil; there may be none
	Err     error
	Log     string // the file with all of its output
	Last    []string
}

// Running is one of the packages that are being tested.
type Running struct {
	Package Package
	Since   time.Time
	Test    string // the one that has been running for longest
}

// Suite runs the tests of packages that were built.
type Suite struct {
	opt       Options
	test2json string

	mu      sync.Mutex
	running map[string]*record
	began   map[string]time.Time
	queue   []Package
	// lastBegan is when a package was begun for the last time, and settled how long after it one
	// can see what it takes of the machine.
	lastBegan time.Time
	settled   time.Duration
}

// New prepares a run of packages that [Build] has built.
func New(ctx context.Context, packages []Package, opt Options) (*Suite, error) {
	path, err := exec.CommandContext(ctx, "go", "tool", "-n", "test2json").Output()
	if err != nil {
		return nil, fmt.Errorf("look for go tool test2json: %w", err)
	}
	// Since Go 1.25 it is compiled when it is first used, which -n does not do.
	err = exec.CommandContext(ctx, "go", "tool", "test2json", "-p", "none", "true").Run()
	if err != nil {
		return nil, fmt.Errorf("make go tool test2json: %w", err)
	}
	queue := slices.Clone(packages)
	slices.SortStableFunc(queue, func(a, b Package) int { return int(b.Expect - a.Expect) })
	return &Suite{
		opt: opt, test2json: strings.TrimSpace(string(path)), queue: queue,
		running: map[string]*record{}, began: map[string]time.Time{},
	}, nil
}

// Run tests all packages, those that take longest first, and returns what became of them in the
// order in which they ended. When ctx ends the tests are interrupted.
func (s *Suite) Run(ctx context.Context) []Result {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		all   []Result
	)
	for range max(s.opt.AtOnce, 1) {
		group.Go(func() {
			for {
				p, ok := s.next(ctx)
				if !ok {
					return
				}
				result := s.test(ctx, p)
				mu.Lock()
				all = append(all, result)
				if s.opt.Done != nil {
					s.opt.Done(result)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return all
}

// next takes the next package out of the queue as soon as there is room for it. However little room
// there is, [always] packages are tested, and twice as many when the next one is small.
func (s *Suite) next(ctx context.Context) (Package, bool) {
	tick := time.NewTicker(roomPause)
	defer tick.Stop()
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || ctx.Err() != nil {
			s.mu.Unlock()
			return Package{}, false
		}
		least := always
		if s.queue[0].Expect < small {
			least *= 2
		}
		free := s.opt.Room == nil || len(s.running) < least ||
			time.Since(s.lastBegan) >= s.settled && s.opt.Room()
		if free {
			p := s.queue[0]
			s.queue, s.lastBegan = s.queue[1:], time.Now()
			s.settled = min(roomPause, p.Expect/4)
			s.running[p.Path], s.began[p.Path] = newRecord(), time.Now()
			s.mu.Unlock()
			return p, true
		}
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

const (
	always = 2
	// small is how long a package may take that hardly disturbs the others.
	small = 30 * time.Second
)

// roomPause is how long after the beginning of a long package it is seen how much it takes of the
// machine.
const roomPause = 3 * time.Second

// Now lists what is being tested, in alphabetical order, and what waits.
func (s *Suite) Now() (running []Running, waiting []Package) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, r := range s.running {
		test, _ := r.now()
		running = append(running, Running{
			Package: Package{Path: path}, Since: s.began[path], Test: test,
		})
	}
	slices.SortFunc(running, func(a, b Running) int {
		return strings.Compare(a.Package.Path, b.Package.Path)
	})
	return running, slices.Clone(s.queue)
}

func (s *Suite) test(ctx context.Context, p Package) Result {
	began := time.Now()
	result := Result{Package: p}
	result.Log = filepath.Join(s.opt.LogDir, strings.ReplaceAll(p.Name, "/", "-")+".log")
	log, err := os.Create(result.Log)
	if err != nil {
		result.Err = fmt.Errorf("keep the tests' output: %w", err)
		s.end(p)
		return result
	}
	s.mu.Lock()
	r := s.running[p.Path]
	s.mu.Unlock()
	r.log = log
	result.CPU, result.Err = s.execute(ctx, p, r)
	s.end(p)
	result.Err = errors.Join(result.Err, log.Close())
	result.Took, result.Tests = time.Since(began), r.tests
	if result.Err != nil {
		result.Red, result.Last = r.red(), last(r.output[""], 60)
	}
	return result
}

func (s *Suite) end(p Package) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, p.Path)
	delete(s.began, p.Path)
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// endGrace is how long an interrupted test program may take to stop the servers that it started.
const endGrace = 30 * time.Second

// execute runs the tests of a package, its output through test2json.
func (s *Suite) execute(
	ctx context.Context, p Package, r *record,
) (cpu time.Duration, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("run the tests: %w", err)
	}
	convert := exec.CommandContext(context.WithoutCancel(ctx), s.test2json, "-t", "-p", p.Path)
	convert.Stdin = read
	events, err := convert.StdoutPipe()
	if err == nil {
		err = convert.Start()
	}
	if err = errors.Join(err, read.Close()); err != nil {
		return 0, errors.Join(fmt.Errorf("run the tests: %w", err), write.Close())
	}
	tests, err := child.Start(child.Spec{
		Name: "tests of " + p.Name, Path: p.program, Dir: p.Dir,
		Env:    slices.Concat(os.Environ(), s.opt.Env, p.Env, []string{"PWD=" + p.Dir}),
		Args:   append([]string{"-test.v=test2json", "-test.paniconexit0"}, s.opt.Args...),
		Stdout: write, Stderr: write, Record: s.opt.Record,
	})
	err = errors.Join(err, write.Close())
	reading := make(chan error, 1)
	go func() { reading <- r.read(events) }()
	if err == nil {
		stop := context.AfterFunc(ctx, func() {
			_ = tests.Stop(endGrace, (*child.Process).Interrupt)
		})
		<-tests.Done()
		stop()
		cpu = tests.CPU()
		if end := tests.Err(); end != nil {
			err = fmt.Errorf("the tests failed: %w", end)
		}
	}
	return cpu, errors.Join(err, finish(convert, reading))
}

// finish waits for the last event. A process that the tests have left behind may hold their
// output open forever.
func finish(convert *exec.Cmd, reading <-chan error) error {
	timer := time.NewTimer(endGrace)
	defer timer.Stop()
	var err error
	select {
	case err = <-reading:
	case <-timer.C:
		err = errors.Join(errors.New("something that the tests have started did not end"),
			convert.Process.Kill(), <-reading)
	}
	return errors.Join(err, convert.Wait())
}
