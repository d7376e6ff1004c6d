package experiment

import (
	"path/filepath"
	"strings"
	"testing"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// Each shop ends in another way, and the verdict must not come before the end, nor leave out that
// there was none.
func TestVerdictsAtTheEnd(t *testing.T) {
	t.Parallel()
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		step, name, says string
		held             bool
		check            func(Result) bool
	}{
		{"96-waits", "calm", "", true, func(r Result) bool { return r.Differs == "" && r.Waits == "" }},
		// Every order again a second later: one shop tells that it waits, of the other the lab
		// knows nothing, and waits longer.
		{"96-waits", "again", "promised duplicated 0, but it was 3", false, nil},
		{"99-toy", "again", "promised duplicated 0, but it was 3", false, nil},
		{
			"96-waits", "stuck", "whether duplicated 0 holds is unknown: there was more to come: " +
				"there still waits 3 in shop (waiting)", false, nil,
		},
		{
			"96-waits", "untold", "", true, func(r Result) bool {
				return r.CheckPicture() == nil && strings.Contains(strings.Join(r.Caption(), "\n"),
					"the log says 2 processed, 1 lost; the book says 3 processed, 0 lost")
			},
		},
		{"96-waits", "loses", "", true, func(r Result) bool { return r.Lost == 2 }},
		{"96-waits", "burnt", "audit: http://", false, nil},
	} {
		t.Run(c.step+" "+c.name, func(t *testing.T) {
			t.Parallel()
			r := tryToy(t, run, c.step, c.name)
			complaints := strings.Join(r.Complaints(), "\n")
			if r.Held() != c.held || !strings.Contains(complaints, c.says) ||
				c.says == "" && complaints != "" {
				t.Errorf("held %v, %s\nwant %q", r.Held(), complaints, c.says)
			}
			if c.check != nil && !c.check(r) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func tryToy(t *testing.T, run *home.Run, name, experiment string) Result {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../bench/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := bench.Build(t.Context(), step, []string{manifest.Right}, t.TempDir(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := step.Experiment(experiment)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), bench.Config{Step: step, Run: run, Bin: bin, Seed: 4}, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
