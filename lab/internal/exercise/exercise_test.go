package exercise

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"course.example/lab/internal/figure"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// A step with exercises of every kind: tests, an answer and a prediction. Those with programs are
// tested by the steps that have them.
func toy(t *testing.T) *manifest.Step {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "98-toy")
	sum := "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // hello
	for path, text := range map[string]string{
		"../go.work": "go 1.26\n",
		"go.mod":     "module course.example/98-toy\n\ngo 1.26\n",
		"lab.yaml": "title: A toy\nprocesses: [{name: shop, http: true}]\n" +
			"experiments: [{name: calm, load: {count: 5}}]\n",
		"exercises/01-add/exercise.yaml": "title: Add\nkind: build\nred: want 3\ntests: true\n" +
			"hints: [first, second]\n",
		"exercises/01-add/add.go":          "package add\n\nfunc Add(a, b int) int { return 0 }\n",
		"exercises/01-add/solution/add.go": "package add\n\nfunc Add(a, b int) int { return a + b }\n",
		"exercises/01-add/add_test.go": "//go:build exercise\n\npackage add\n\nimport \"testing\"\n\n" +
			"func TestAdd(t *testing.T) {\n\tif got := Add(1, 2); got != 3 {\n" +
			"\t\tt.Errorf(\"Add(1, 2) = %d, want 3\", got)\n\t}\n}\n",
		"exercises/02-find/exercise.yaml": "title: Find\nkind: find\nred: is empty\n" +
			"answer: {sha256: " + sum + "}\n",
		"exercises/02-find/answer.txt":          "# write it below\n",
		"exercises/02-find/solution/answer.txt": "# here it is\n  Hello\n",
		"exercises/03-foretell/exercise.yaml": "title: Foretell\nkind: predict\nred: missing\n" +
			"predict: {experiment: calm, within: {lost: 2, processed: 10%}}\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func TestJudge(t *testing.T) {
	t.Setenv("GOWORK", "off")
	step := toy(t)
	st, err := stage.Open(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		number   string
		solution bool
		change   string // what the student writes into the exercise's first file
		green    bool
		why      string
	}{
		{"1", false, "", false, "add_test.go:9: Add(1, 2) = 0, want 3"},
		{"1", true, "", true, "1 tests pass"},
		{"1", false, "package add\n\nfunc Add(a, b int) int { return c }\n", false,
			"it does not compile: exercises/01-add/add.go:3:33: undefined: c"},
		{"2", false, "", false, "answer.txt is empty"},
		{"2", false, "good bye\n", false, `"good bye" is not it`},
		{"2", true, "", true, "that is it"},
		{"3", false, "", false, "prediction.yaml is missing"},
		{"3", false, "lost: 1\nprocesed: 3\n", false, `prediction.yaml:2: nobody has asked for "procesed"`},
		{"3", false, "lost: 1\nprocessed:\n", false, "prediction.yaml:2: write a number behind processed"},
		{"3", false, "lost: 1\n", false, "prediction.yaml says nothing of processed"},
	} {
		e, err := step.Exercise(c.number)
		if err != nil {
			t.Fatal(err)
		}
		if c.change != "" {
			file := map[string]string{"1": "add.go", "2": AnswerFile, "3": PredictionFile}[c.number]
			if err := os.WriteFile(filepath.Join(e.Dir, file), []byte(c.change), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		v, err := Judge{Stage: st, Solution: c.solution}.Judge(t.Context(), e)
		if err != nil || v.Green != c.green || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s, solution %t, with %q: %+v, %v; want green %t because %q",
				c.number, c.solution, c.change, v, err, c.green, c.why)
		}
	}
}

func TestPredictionIsCompared(t *testing.T) {
	t.Parallel()
	p := &manifest.Prediction{Within: map[string]string{"lost": "2", "processed": "10%"}}
	facts := &figure.Facts{Lost: 50, Ledger: ledger.Summary{Processed: 100}}
	for _, c := range []struct {
		lost, processed float64
		why             string
	}{
		{50, 100, "as foretold: lost 50, processed 100"},
		{52, 90, "as foretold"},
		{53, 100, "you said lost 53, and it was 50"},
		{50, 111, "you said processed 111, and it was 100"},
	} {
		v, err := compare(p, map[string]float64{"lost": c.lost, "processed": c.processed}, facts, "too slow")
		if err != nil || !strings.HasPrefix(v.Why, c.why) ||
			v.Green != strings.HasPrefix(c.why, "as foretold") {
			t.Errorf("lost %v, processed %v: %+v, %v, want %q", c.lost, c.processed, v, err, c.why)
		}
	}
}

// A machine that was too slow takes the word of nobody for wrong whose figure depends on it.
func TestPredictionOnASlowMachine(t *testing.T) {
	t.Parallel()
	p := &manifest.Prediction{Within: map[string]string{"refused": "1"}}
	facts := &figure.Facts{Refused: 9}
	for slow, want := range map[string]string{
		"":         "you said refused 0, and it was 9",
		"too slow": "whether refused is 0 is unknown (it was 9): too slow",
	} {
		v, err := compare(p, map[string]float64{"refused": 0}, facts, slow)
		if err != nil || v.Green || v.Why != want {
			t.Errorf("%q: %+v, %v, want %q", slow, v, err, want)
		}
	}
	if v, err := compare(p, map[string]float64{"refused": 9}, facts, "too slow"); err != nil || !v.Green {
		t.Errorf("foretold on a slow machine: %+v, %v", v, err)
	}
}

// A green verdict is of the files that were judged, and of no later ones.
func TestProgress(t *testing.T) {
	t.Setenv("LAB_DIR", t.TempDir())
	e, err := toy(t).Exercise("01")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ReadProgress()
	if err != nil || len(p) != 0 {
		t.Fatalf("at the start: %v, %v", p, err)
	}
	if err := p.Judged(e, Verdict{Green: true, Why: "1 tests pass"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	p, err = ReadProgress()
	if err != nil || !p["98.1"].Green {
		t.Fatalf("read again: %v, %v", p, err)
	}
	before := p["98.1"].Sum
	if now, err := Sum(e); err != nil || now != before {
		t.Errorf("nothing has changed: %v", err)
	}
	if err := os.WriteFile(filepath.Join(e.Dir, "solution", "x"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if now, err := Sum(e); err != nil || now != before {
		t.Errorf("the solution is not the student's: %v", err)
	}
	if err := os.WriteFile(filepath.Join(e.Dir, "add.go"), []byte("package add\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if now, err := Sum(e); err != nil || now == before {
		t.Errorf("a change was not noticed: %v", err)
	}
}
