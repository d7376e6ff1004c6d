package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/reload"
	"course.example/lab/internal/stage"
)

// builder compiles a step again while it runs, and has those processes run the new code that are
// made of it. Its methods are safe for concurrent use.
type builder struct {
	st      *stage.Stage
	bench   *bench.Bench
	variant string

	building sync.Mutex // one at a time
	times    int        // guarded by building

	mu   sync.Mutex
	step *manifest.Step
	slip string // why the code does not compile, until it does
}

// wrong is why the code cannot be run as it is, or empty.
func (b *builder) wrong() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slip
}

func (b *builder) say(slip string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slip = slip
}

// build compiles the step, with its manifest read again, and starts what has changed. It returns the
// names of the processes that it started. What does not compile stays on the screen, and what
// runs goes on.
func (b *builder) build(ctx context.Context) (started []string, err error) {
	b.building.Lock()
	defer b.building.Unlock()
	defer func() {
		if err != nil {
			b.say(err.Error())
		} else {
			b.say("")
		}
	}()
	step, err := manifest.Read(b.step.Dir)
	if err != nil {
		return nil, err
	}
	b.times++
	dir := filepath.Join(b.st.Run.Dir(), fmt.Sprintf("build-%d", b.times))
	bin, err := bench.Build(ctx, step, []string{b.variant}, dir, false, b.st.Run.Children)
	if err != nil {
		return nil, fromRoot(step, err)
	}
	return b.bench.Reload(ctx, step, bin)
}

// sources tells what changes in what the step's programs are made of. It is to be called before
// they are built: what is saved from then on is built again.
func sources(ctx context.Context, step *manifest.Step) (<-chan []string, error) {
	return reload.Watch(ctx, step.Dir, filepath.Join(step.Root(), "shop"))
}

// follow builds again after each change of a source, until ctx ends.
func (b *builder) follow(ctx context.Context, changes <-chan []string) {
	for {
		var changed []string
		select {
		case changed = <-changes:
		case <-ctx.Done():
			return
		}
		saved := time.Now()
		b.st.Screen.Say("saved %s", strings.Join(shorten(b.step.Root(), changed), ", "))
		started, err := b.build(ctx)
		switch took := time.Since(saved).Round(10 * time.Millisecond); {
		case ctx.Err() != nil:
			return
		case err != nil:
			b.st.Screen.Say("%v", err)
			b.st.Screen.Say("what ran before goes on")
		case len(started) == 0:
			b.st.Screen.Say("no program has changed")
		default:
			b.st.Screen.Say("%s: new code, %v after the save", strings.Join(started, ", "), took)
		}
	}
}

// begins are the acts by which a process begins a life: it is to be one of the code as it is.
var begins = []string{"start", "restart"}

// before builds what an act is about to start. Servers are not built.
func (b *builder) before(ctx context.Context, act string) error {
	words := strings.Fields(act)
	if len(words) < 2 || !slices.Contains(begins, words[0]) {
		return nil
	}
	who := words[len(words)-1]
	if _, err := b.bench.Members(strings.TrimRight(who, "-0123456789")); err != nil {
		return nil
	}
	_, err := b.build(ctx)
	return err
}

// shorten are paths as they are from the root; one that is not known is left out.
func shorten(root string, paths []string) []string {
	var short []string
	for _, path := range paths {
		if from, err := filepath.Rel(root, path); err == nil && path != "" {
			short = append(short, filepath.ToSlash(from))
		}
	}
	return short
}

var atLine = regexp.MustCompile(`(?m)^(\S+\.go:\d+)`)

// fromRoot is what the compiler says, with paths from the root of the checkout: those an editor
// opens that was started there.
func fromRoot(step *manifest.Step, err error) error {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if atLine.MatchString(line) {
			path, _ := filepath.Rel(step.Root(), filepath.Join(step.Dir, line))
			lines = append(lines, strings.TrimRight(filepath.ToSlash(path), "\n"))
		}
	}
	if len(lines) == 0 {
		return err
	}
	return errors.New(strings.Join(lines, "\n"))
}
