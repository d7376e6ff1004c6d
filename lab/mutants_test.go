package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"course.example/lab/internal/home"
	"course.example/lab/internal/mutant"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
)

// Whoever changes a line that a mutant takes away has to change the list as well, or the promise
// is no longer looked after. To try them all takes long; to read them does not.
func TestEveryMutantFindsItsLine(t *testing.T) {
	t.Parallel()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	trials, problems, err := findTrials(t.Context(), root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
	for _, trial := range trials {
		dir := filepath.Join(trial.asked.dir, filepath.FromSlash(trial.Package))
		if _, err := os.Stat(strings.TrimSuffix(dir, "...")); err != nil {
			t.Errorf("%s: package: %v", trial.place(), err)
		}
	}
}

// workspace writes a checkout of two modules and returns its root.
func workspace(t *testing.T, list string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.work":       "go 1.26\n\nuse (\n\t./sum\n\t./user\n)\n",
		"sum/go.mod":    "module sum\n\ngo 1.26\n",
		"sum/sum.go":    "package sum\n\nfunc Of(a, b int) int { return a + b }\n",
		"sum/s_test.go": "package sum\n\nimport \"testing\"\n\nfunc TestNothing(*testing.T) {}\n",
		"user/go.mod":   "module user\n\ngo 1.26\n\nrequire sum v0.0.0\n",
		"user/u_test.go": "package user\n\nimport (\n\t\"sum\"\n\t\"testing\"\n)\n\n" +
			"func TestUse(t *testing.T) {\n\tif sum.Of(1, 2) != 3 {\n\t\tt.Fail()\n\t}\n}\n\n" +
			"func TestRed(t *testing.T) { t.Fail() }\n",
		"sum/" + mutant.FileName: list,
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Whatever is wrong with one mutant, the others are tried.
func TestTrials(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	t.Setenv("GOWORK", "") // these tests run without a workspace, too, and the trials need theirs
	root := workspace(t, `# killed by another module's test
- {name: differs, file: sum.go, find: a + b, replace: a - b, tests: TestUse, module: user}
- {name: same, file: sum.go, find: a + b, replace: a - b, tests: TestNothing}
- {name: commutes, file: sum.go, find: a + b, replace: b + a, tests: TestUse, module: user,
   survives: addition commutes}
- {name: red, file: sum.go, find: a + b, replace: a - b, tests: TestRed, module: user}
- {name: no-module, file: sum.go, find: a + b, replace: a - b, tests: TestUse, module: use}
- {name: no-code, file: sum.go, find: a + b, replace: a - c, tests: TestUse, module: user}
- {name: no-text, file: sum.go, find: a * b, replace: a - b, tests: TestUse, module: user}
`)
	trials, problems, err := findTrials(t.Context(), root, []string{"sum"})
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 2 || !strings.Contains(problems[1].Error(),
		`sum/mutants.yaml:7: no-module: module: go.work has no "use"`) {
		t.Errorf("problems: %v", problems)
	}
	const want = "1 mutants survived, of 4 nothing is known"
	if err := runTrials(t.Context(), trials, problems, 1); message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	alone := []trial{trials[0], trials[2]}
	if err := runTrials(t.Context(), alone, nil, 1); err != nil {
		t.Errorf("one is killed and one is harmless: %v", err)
	}
	if err := runTrials(t.Context(), nil, problems, 1); err == nil {
		t.Error("a list with slips alone is no error")
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSumOfTrials(t *testing.T) {
	t.Parallel()
	y := &trying{stage: &stage.Stage{Screen: screen.New(nil)}, score: map[string]map[mutant.Kind]int{
		"a": {mutant.Killed: 2, mutant.Harmless: 1}, "b": {mutant.Survived: 1, mutant.Unknown: 2},
	}}
	a, b := trial{of: module{name: "a"}}, trial{of: module{name: "b"}}
	if err := y.sum([]trial{a, a, a}, 0); err != nil {
		t.Errorf("all killed or harmless: %v", err)
	}
	if err := y.sum([]trial{a}, 1); err == nil {
		t.Error("a slip in a list is no error")
	}
	const want = "1 mutants survived, of 3 nothing is known"
	if err := y.sum([]trial{a, b, b}, 1); message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMistakesWithMutants(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"mutants 99":          `there is no module "99"`,
		"mutants -times 0":    "-times: 0 is no number of runs",
		"mutants -only none":  "there is no mutant none",
		"mutants -every 1":    "go run ./lab mutants -h lists the flags",
		"mutants -times many": "many",
	} {
		err := command().Run(context.Background(), append([]string{"lab"}, strings.Fields(args)...))
		if !strings.Contains(message(err), want) {
			t.Errorf("%s: want an error with %q, got: %v", args, want, err)
		}
	}
}
