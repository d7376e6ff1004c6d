// Package labtest lets a step test itself from outside: its built programs
// under the lab, faults injected, the ledger checked, and its README compared
// with a real run.
package labtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/experiment"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// Experiments runs the experiments of the step in whose folder the test runs,
// each as a subtest: all of them, or those that were named. A promise that is
// broken fails its test, and so does a wrong variant that does not fail.
func Experiments(t *testing.T, names ...string) {
	t.Helper()
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
	var acts []string
	results, err := experiment.RunAll(t.Context(), st, step, experiments, experiment.Options{
		Seed: 1,
		Show: func(l bench.Line) {
			if l.Process == bench.Lab {
				acts = append(acts, l.Text)
			}
		},
	})
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) { judge(t, r) })
	}
	if err != nil {
		t.Fatalf("%v\nwhat the lab did: %q", err, acts)
	}
}

// Page fails when the step's page does not speak of one of its experiments or
// variants: what is shown nowhere is not taught.
func Page(t *testing.T, file string) {
	t.Helper()
	step := thisStep(t)
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
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

func judge(t *testing.T, r experiment.Result) {
	t.Helper()
	if r.Once != nil {
		t.Log(strings.Join(r.Caption(), "; "))
	} else {
		t.Logf("%s; lost %d, refused %d, in flight at the faults %d, recovery %v",
			r.Ledger, r.Lost, r.Refused, r.InFlight, r.Recovery)
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
