package experiment

import (
	"path/filepath"
	"strings"
	"testing"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// A program that runs once is judged by its end and its words, and the judge
// must be able to say no.
func TestVerdictsOnce(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../bench/testdata/98-once")
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
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	cases := []struct{ name, verdict, complaint string }{
		{"calm", "held", ""},
		{"broken-promise", "BROKEN", `promised prints "lost", but it was in 0 lines`},
		{"loses", "fails, as it should", ""},
		{"fails", "fails, as it should", ""},
		{"panics", "fails, as it should", ""},
		{"hangs", "fails, as it should", ""},
		{"harmless", "DOES NOT FAIL", "variant loses must show exits > 0, but it was 0"},
	}
	var results []Result
	for _, c := range cases {
		e, err := step.Experiment(c.name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), bench.Config{Step: step, Run: run, Bin: bin}, e)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
		complaints := strings.Join(r.Complaints(), "\n")
		if r.Verdict() != c.verdict || !strings.Contains(complaints, c.complaint) ||
			c.complaint == "" && complaints != "" {
			t.Errorf("%s: %s, want %s\n%s", c.name, r.Verdict(), c.verdict, complaints)
		}
	}
	table := Table(results, false)
	for _, want := range []string{"exit", "took", "killed", "never", `prints "^counted 2$"`} {
		if !strings.Contains(table, want) {
			t.Errorf("the table says nothing of %s:\n%s", want, table)
		}
	}
	if strings.Contains(table, "accepted") || strings.Contains(table, "(in 1 lines)") {
		t.Errorf("the table speaks of orders, or counts what it need not:\n%s", table)
	}
}
