package mutant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

// GoTest is how tests are run: with which module's code, and with which of its files replaced.
type GoTest struct {
	Dir     string   // of the module
	Package string   // a folder in it, or a pattern such as ./...
	Tests   string   // the pattern of -run
	Env     []string // besides the lab's own
	Race    bool
	Limit   time.Duration // for the tests, without the time to compile them
	Overlay string        // the file that [Overlay] wrote; none without it
	Flags   string        // GOFLAGS as they are, from go env
	Record  *home.Children
}

// Report is what go test said.
type Report struct {
	Built  bool
	Passed bool
	Ran    []string // tests in the order of their start
	Failed []string // in the order of their end, a part before the whole; also who had no end
	Hung   bool     // it was ended at the limit
	Took   time.Duration
	Output string // of the compiler if that failed, of the tests otherwise
}

// Overlay writes a mutated file into dir, and beside it what tells go to take it for the
// original; it returns the name of that.
func Overlay(dir, original, source string) (string, error) {
	mutated := filepath.Join(dir, filepath.Base(original))
	if err := os.WriteFile(mutated, []byte(source), 0o644); err != nil {
		return "", fmt.Errorf("write the mutant: %w", err)
	}
	raw, err := json.Marshal(map[string]any{"Replace": map[string]string{original: mutated}})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o644); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return overlay, nil
}

// Compile compiles one package and returns what is wrong with it, if anything is. A test that
// builds a program itself would fail with the compiler, and look as if it had noticed something.
func (g GoTest) Compile(ctx context.Context, pkg string) (wrong string, err error) {
	args := []string{"list", "-export", "-f", "{{.Export}}"}
	if g.Race {
		args = append(args, "-race")
	}
	_, errOut, err := g.run(ctx, append(args, relative(pkg)))
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return errOut, nil
	}
	return "", err
}

// Run runs the tests. That they fail is a report and no error.
func (g GoTest) Run(ctx context.Context) (Report, error) {
	// Vet would refuse some mutants, which is not what their tests are asked about.
	args := []string{"test", "-json", "-count=1", "-vet=off", "-run", g.Tests,
		"-timeout", g.Limit.String()}
	if g.Race {
		args = append(args, "-race")
	}
	out, errOut, err := g.run(ctx, append(args, relative(g.Package)))
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return Report{}, err
	}
	report, readErr := parse(strings.NewReader(out))
	report.Passed = err == nil
	report.Output += errOut
	return report, readErr
}

// run runs go in a process group of its own, which is killed with all its tests when ctx ends.
func (g GoTest) run(ctx context.Context, args []string) (out, errOut string, err error) {
	flags := g.Flags
	if g.Overlay != "" {
		// In the environment, so that the programs which a test builds are mutants, too.
		flags = strings.TrimSpace(flags + " '-overlay=" + g.Overlay + "'")
	}
	env := append(os.Environ(), g.Env...)
	// Go names files by the way it came here; the overlay must name them the same.
	env = append(env, "GOFLAGS="+flags, "PWD="+g.Dir)
	var stdout, stderr bytes.Buffer
	p, err := child.Start(child.Spec{
		Name: "go " + args[0], Path: "go", Args: args, Dir: g.Dir, Env: env,
		Stdout: &stdout, Stderr: &stderr, Record: g.Record,
	})
	if err != nil {
		return "", "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		err = p.KillGroup()
		<-p.Done()
	}
	return stdout.String(), stderr.String(), errors.Join(err, p.Err())
}

func relative(pkg string) string {
	if strings.HasPrefix(pkg, ".") {
		return pkg
	}
	return "./" + pkg
}

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action      string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// parse reads the lines of go test -json.
func parse(r io.Reader) (Report, error) {
	report := Report{Built: true}
	var compiler, tests strings.Builder
	ended := map[string]bool{}
	for lines := json.NewDecoder(r); ; {
		var e event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return report, fmt.Errorf("read what go test says: %w", err)
		}
		switch e.Action {
		case "build-output":
			compiler.WriteString(e.Output)
		case "build-fail":
			report.Built = false
		case "output":
			tests.WriteString(e.Output)
			report.Hung = report.Hung || strings.HasPrefix(e.Output, "panic: test timed out after ")
		case "run":
			report.Ran = append(report.Ran, e.Test)
		case "pass", "fail", "skip":
			ended[e.Test] = true
			if e.FailedBuild != "" {
				report.Built = false
			}
			if e.Test == "" {
				report.Took += time.Duration(e.Elapsed * float64(time.Second))
			} else if e.Action == "fail" {
				report.Failed = append(report.Failed, e.Test)
			}
		}
	}
	// Whoever runs when the program ends or is ended has failed, too.
	for _, name := range slices.Backward(report.Ran) {
		if !ended[name] {
			report.Failed = append(report.Failed, name)
		}
	}
	report.Output = tests.String()
	if !report.Built {
		report.Output = compiler.String()
	}
	return report, nil
}
