package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/history"
)

// Ended is how a program that runs once came to its end.
type Ended struct {
	Code int // its exit code; 1 when a signal ended it
	Took time.Duration
	// Killed says that it had not ended at the limit.
	Killed bool
}

// Once runs the program of a step that runs once, with the lab's own environment,
// the addresses of its servers and what the variant says, and waits for its end. A program that fails is no error: the
// code says it. What it writes goes to out as it is, so that a terminal stays a
// terminal. When ctx ends the program is asked to end; at the limit, if there is
// one, it is killed.
func Once(
	ctx context.Context, cfg Config, out, errOut io.Writer, limit time.Duration, args ...string,
) (Ended, error) {
	kind, ok := cfg.Step.Once()
	if !ok {
		return Ended{}, fmt.Errorf("%s has no process that runs once", cfg.Step.Name)
	}
	variant, err := cfg.Step.Variant(cfg.Variant)
	if err != nil {
		return Ended{}, err
	}
	env := append(os.Environ(), "VARIANT="+variant.Name)
	for _, more := range []map[string]string{cfg.Address, kind.Env, variant.Env, cfg.Env} {
		for _, name := range slices.Sorted(maps.Keys(more)) {
			env = append(env, name+"="+more[name])
		}
	}
	begun := time.Now()
	c, err := child.Start(child.Spec{
		Name: kind.Name, Path: program(cfg.Bin, cfg.Step.Dir, variant.Package(kind)),
		Args: slices.Concat(kind.Args, args), Dir: cfg.Step.Dir, Env: env,
		Stdout: out, Stderr: errOut, Record: cfg.Run.Children,
	})
	if err != nil {
		return Ended{}, err
	}
	killed, err := await(ctx, c, limit)
	return Ended{codeOf(c), time.Since(begun), killed}, err
}

func await(ctx context.Context, c *child.Process, limit time.Duration) (killed bool, err error) {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-c.Done():
	case <-over:
		killed = true
		err = c.KillGroup()
		<-c.Done()
	case <-ctx.Done():
		err = c.Stop(shutdownGrace)
	}
	exit := new(exec.ExitError)
	if failed := c.Err(); failed != nil && !errors.As(failed, &exit) {
		err = errors.Join(err, fmt.Errorf("%s: %w", c.Name(), failed))
	}
	return killed, err
}

func codeOf(c *child.Process) int {
	exit := new(exec.ExitError)
	if !errors.As(c.Err(), &exit) {
		return 0
	}
	if code := exit.ExitCode(); code >= 0 {
		return code
	}
	return 1
}

// OnceLines runs such a program and returns the lines that it wrote, of both its
// streams; each is shown as it comes.
func OnceLines(ctx context.Context, cfg Config, limit time.Duration) (Ended, []string, error) {
	kind, _ := cfg.Step.Once()
	printer := newPrinter(cfg.Show)
	defer printer.close()
	var text []string
	out := &lines{emit: func(raw []byte) {
		line := history.Line{Process: kind.Name, Time: time.Now(),
			Text: strings.ToValidUTF8(string(raw), "?")}
		text = append(text, line.Text)
		printer.add(line)
	}}
	ended, err := Once(ctx, cfg, out, out, limit)
	out.end()
	return ended, text, err
}
