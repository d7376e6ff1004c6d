// Package labtest lets a step test itself from outside: its built programs
// under the lab, faults injected, the ledger checked, and its README compared
// with a real run.
package labtest

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"course.example/lab/internal/experiment"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
)

// EnvSeed is the environment variable with the seed of the faults' random times and targets.
// Without it, it is 1.
const EnvSeed = "LAB_SEED"

// EnvLong is the environment variable that, when it is "yes", has those experiments carried out,
// too, that take long. `make soak` sets it.
const EnvLong = "LAB_LONG"

// Experiments runs the experiments of the step in whose folder the test runs, each as a subtest:
// all of them, but for those that take long, or those that were named. A promise that is broken
// fails its test, and so does a wrong variant that does not fail. Of what a variant breaks besides,
// such as the slide's code, the first experiment is among them. What an experiment leaves behind
// that went wrong (the lines of all processes, the history, the picture) is kept in a folder that
// the test names.
//
// It runs beside the other parallel tests of its package: it mostly waits.
func Experiments(t *testing.T, names ...string) {
	t.Helper()
	t.Parallel()
	Sources(t)
	step := thisStep(t)
	experiments := step.Experiments
	if len(names) > 0 {
		experiments = nil
		for _, name := range names {
			e, err := step.Experiment(name)
			if err != nil {
				t.Fatal(err)
			}
			experiments = append(experiments, e)
		}
	}
	switch broken := step.Broken(); {
	case len(names) > 0:
	case os.Getenv(EnvLong) == "yes":
		experiments = slices.Concat(experiments, broken)
	default:
		experiments = slices.DeleteFunc(
			slices.Concat(experiments, broken[:min(1, len(broken))]),
			func(e manifest.Experiment) bool { return e.Long || e.Soak })
	}
	if len(experiments) == 0 {
		t.Fatalf("%s declares no experiments", step.Name)
	}
	st, err := stage.Open(t.Context(), "test "+step.Number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	variants := manifest.VariantsOf(experiments)
	proxy := slices.ContainsFunc(experiments,
		func(e manifest.Experiment) bool { return e.Faults.NeedsProxy() })
	if err := st.Build(t.Context(), step, variants, proxy); err != nil {
		t.Fatal(err)
	}
	sideBySide(t, st, step, experiments)
}

// sideBySide carries experiments out, two at a time. Those that break a server take turns on servers
// of their own; all others share theirs.
func sideBySide(
	t *testing.T, st *stage.Stage, step *manifest.Step, experiments []manifest.Experiment,
) {
	t.Helper()
	breaking := make(chan manifest.Experiment, len(experiments))
	others := make(chan manifest.Experiment, len(experiments))
	for _, e := range experiments {
		if step.BreaksServers(e) {
			breaking <- e
		} else {
			others <- e
		}
	}
	close(breaking)
	close(others)
	var group sync.WaitGroup
	one := func(st *stage.Stage, queues ...<-chan manifest.Experiment) {
		for _, queue := range queues {
			for e := range queue {
				t.Run(e.Name, func(t *testing.T) { try(t, st, step, e) })
			}
		}
	}
	group.Go(func() { one(st.Beside(), breaking, others) })
	group.Go(func() { one(st.Beside(), others) })
	group.Wait()
}

// try carries one experiment out and judges it.
func try(t *testing.T, st *stage.Stage, step *manifest.Step, e manifest.Experiment) {
	t.Helper()
	var lines []string
	r, err := experiment.Next(t.Context(), st, step, e, experiment.Options{
		Seed: seed(t), Shared: !step.BreaksServers(e),
		Show: func(l history.Line) { lines = append(lines, screen.Record(l)) },
	})
	if err != nil {
		t.Errorf("%v", err)
	}
	judge(t, r)
	if !t.Failed() {
		return
	}
	where, err := experiment.Keep(r, step, lines)
	if err != nil {
		t.Error(err)
	}
	t.Logf("what the processes wrote, the history and the picture are in %s", where)
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(EnvSeed)
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q, and must be a number", EnvSeed, text)
	}
	return n
}

// Page fails when the step's pages do not speak of one of its experiments or
// variants: what is shown nowhere is not taught. It asks for the step's [Gauges], too.
func Page(t *testing.T, files ...string) {
	t.Helper()
	Gauges(t)
	step := thisStep(t)
	var page []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page = append(page, text...)
	}
	file := strings.Join(files, " and ")
	for _, e := range step.Experiments {
		if !bytes.Contains(page, []byte(e.Name)) {
			t.Errorf("%s does not speak of the experiment %s", file, e.Name)
		}
	}
	for _, v := range step.Variants {
		if !bytes.Contains(page, []byte("`"+v.Name+"`")) && v.Name != manifest.Right {
			t.Errorf("%s does not speak of the variant %s", file, v.Name)
		}
	}
}

// Gauges fails when the step's manifest declares a gauge that no source file of the step has in
// quotes: nobody would ever log it, and whatever is promised of it would be unknown.
func Gauges(t *testing.T) {
	t.Helper()
	for _, name := range missing(t, ".", thisStep(t).Gauges) {
		t.Errorf("%s declares the gauge %s, and no source of the step names it",
			manifest.FileName, name)
	}
}

// missing are the gauges that no Go file below dir has in quotes, tests aside.
func missing(t *testing.T, dir string, gauges map[string]string) []string {
	t.Helper()
	names := slices.Sorted(maps.Keys(gauges))
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		names = slices.DeleteFunc(names, func(name string) bool {
			return bytes.Contains(source, []byte(strconv.Quote(name)))
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func judge(t *testing.T, r experiment.Result) {
	t.Helper()
	if r.Once != nil {
		t.Log(strings.Join(r.Caption(), "; "))
	} else {
		t.Logf("%s; lost %d, refused %d, in flight at the faults %d, recovery %v, seed %d, "+
			"machine ×%.1f", r.Ledger, r.Lost, r.Refused, r.InFlight, r.Recovery, r.Seed, r.Slow)
	}
	if err := r.CheckPicture(); err != nil {
		t.Error(err)
	}
	if r.NotRun != "" && runtime.GOOS == "windows" {
		t.Skip(r.NotRun) // it has no SIGSTOP
	}
	for _, complaint := range r.Complaints() {
		t.Error(complaint)
	}
}

func thisStep(t *testing.T) *manifest.Step {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(filepath.Clean(dir))
	if err != nil {
		t.Fatal(err)
	}
	return step
}
