package servicestest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/child"
)

// program is a running program, and what it has logged.
type program struct {
	process *child.Process

	mu      sync.Mutex
	pending []byte
	lines   []string
	more    chan struct{} // has something after a line
}

// build returns the path of a package's program, which is built once for all tests.
func build(t testing.TB, pkg string) (path string) {
	t.Helper()
	b := need(t)
	b.mu.Lock()
	p := b.programs[pkg]
	if p == nil {
		p = &built{name: fmt.Sprintf("%d-%s", len(b.programs), filepath.Base(pkg))}
		b.programs[pkg] = p
	}
	b.mu.Unlock()
	p.once.Do(func() { p.path, p.err = goBuild(b, p.name, pkg) })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// built is a program of a package, or why there is none.
type built struct {
	once sync.Once
	name string
	path string
	err  error
}

const buildTimeout = 5 * time.Minute

func goBuild(b *shared, name, pkg string) (path string, err error) {
	dir, err := b.run.Mkdir("programs")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-w",
		"-o", path, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// start starts a program that logs for other programs. It is killed when the test ends.
func start(t testing.TB, name, path string, env []string) *program {
	t.Helper()
	p := &program{more: make(chan struct{}, 1)}
	all := append(os.Environ(), "LOG_FORMAT=json", "LOG_LEVEL=info")
	var err error
	p.process, err = child.Start(child.Spec{
		Name: name, Path: path, Env: append(all, env...), Stdout: p, Stderr: p,
		Record: need(t).run.Children,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.process.Kill(); <-p.process.Done() })
	return p
}

func isReady(line map[string]any) bool { return line["msg"] == "ready" }

// Write takes what the program has written, line by line.
func (p *program) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, text...)
	for {
		line, rest, whole := bytes.Cut(p.pending, []byte("\n"))
		if !whole {
			break
		}
		p.lines, p.pending = append(p.lines, string(line)), rest
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
	return len(text), nil
}

func (p *program) records() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []map[string]any
	for _, line := range p.lines {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil {
			all = append(all, record)
		}
	}
	return all
}

func (p *program) await(
	t testing.TB, patience time.Duration, what string, holds func(map[string]any) bool,
) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !slices.ContainsFunc(p.records(), holds) {
		select {
		case <-p.more:
		case <-p.process.Done():
			t.Fatalf("%s ended before %s: %v\n%s", p.process.Name(), what, p.process.Err(), p.last(20))
		case <-timer.C:
			t.Fatalf("after %v not yet: %s\n%s", patience, what, p.last(20))
		}
	}
}

// said counts by order how often the program has said this of it.
func (p *program) said(message string) map[string]int {
	times := map[string]int{}
	for _, r := range p.records() {
		if r["msg"] == message {
			times[fmt.Sprint(r["order"])]++
		}
	}
	return times
}

func (p *program) last(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var short []string
	for _, line := range p.lines[max(0, len(p.lines)-n):] {
		short = append(short, fmt.Sprintf("%.300s", line))
	}
	return strings.Join(short, "\n")
}

// stop sends SIGTERM, and wants a good end within the limit.
func (p *program) stop(t testing.TB, limit time.Duration) {
	t.Helper()
	began := time.Now()
	defer func() { t.Logf("%s ended within %v", p.process.Name(), time.Since(began)) }()
	if err := p.process.Stop(limit); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, p.last(20))
	}
	<-p.process.Done()
	if err := p.process.Err(); err != nil {
		t.Errorf("%s did not end well: %v\n%s", p.process.Name(), err, p.last(20))
	}
}

// checkLines wants a log that a person can read: no line is without end, and there are not many
// more of them than messages.
func (p *program) checkLines(t testing.TB, most int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) > most {
		t.Errorf("%d lines, want at most %d; the last are\n%s", len(p.lines), most,
			strings.Join(p.lines[len(p.lines)-5:], "\n"))
	}
	for _, line := range p.lines {
		if len(line) > 12<<10 {
			t.Errorf("a line of %d bytes: %.80s", len(line), line)
		}
	}
}
