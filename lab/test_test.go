package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/manifest"
	"course.example/lab/internal/suite"
)

func TestWhichModuleIsMeant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		is         bool
	}{
		{"06-db-outbox", "06", true},
		{"06-db-outbox", "6", true},
		{"06-db-outbox", "06-db-outbox", true},
		{"06-db-outbox/bench", "06", true}, // lies in the step
		{"06-db-outbox/bench", "06-db-outbox/bench", true},
		{"06-db-outbox/bench", "bench", false}, // whose?
		{"06-db-outbox/bench", "12", false},
		{"lab", "lab", true},
		{"lab/otlp", "lab", false}, // slow, and seldom what is meant
		{"lab/otlp", "lab/otlp", true},
	}
	for _, tt := range tests {
		if got := (module{name: tt.name}).is(tt.want); got != tt.is {
			t.Errorf("is %s meant by %q: %t, want %t", tt.name, tt.want, got, tt.is)
		}
	}
}

// Two steps that need Redis, one of them five times, must not get six.
func TestNeedsOfAllModulesTogether(t *testing.T) {
	t.Parallel()
	needs := func(all ...string) module { return module{step: &manifest.Step{Needs: all}} }
	got, err := sharedNeeds([]module{
		{}, needs("redis", "postgres"), needs("redis x5"), needs("redis", "rabbitmq"),
	})
	if want := []string{"postgres", "rabbitmq", "redis x5"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := sharedNeeds([]module{needs("oracle")}); err == nil {
		t.Error("a server that nobody knows was no error")
	}
}

func TestModulesThatAreMeant(t *testing.T) {
	t.Parallel()
	all := []module{{name: "06-db-outbox"}, {name: "06-db-outbox/bench"}, {name: "shop"}}
	for _, c := range []struct {
		only, want []string
	}{
		{nil, []string{"06-db-outbox", "06-db-outbox/bench", "shop"}},
		{[]string{"6", "06"}, []string{"06-db-outbox", "06-db-outbox/bench"}}, // each once
		{[]string{"shop"}, []string{"shop"}},
	} {
		got, err := choose(all, c.only)
		if err != nil || !slices.Equal(names(got), c.want) {
			t.Errorf("%q: %q, %v, want %q", c.only, names(got), err, c.want)
		}
	}
	if _, err := choose(all, []string{"06", "nosuch"}); err == nil ||
		!strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("a module that does not exist: %v", err)
	}
}

// A module that cannot be read keeps none of the others from being tested.
func TestModuleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.work", "go 1.26.0\nuse (\n./good\n./bad\n./01-typo\n)\n")
	write("good/go.mod", "module toy.example/good\n")
	write("bad/go.mod", "module toy.example/bad\nnonsense\n")
	write("01-typo/go.mod", "module toy.example/typo\n")
	write("01-typo/lab.yaml", "titel: a slip\n")
	all, err := findModules(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{"good": "", "bad": "nonsense", "01-typo": "titel"}
	for _, m := range all {
		want := said[m.name]
		if (m.bad != nil) != (want != "") ||
			m.bad != nil && !strings.Contains(m.bad.Error(), want) {
			t.Errorf("%s: %v, want %q", m.name, m.bad, want)
		}
	}
	workspace, err := readable(all, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(workspace)
	if err != nil || !strings.Contains(string(raw), filepath.Join(root, "good")) ||
		strings.Contains(string(raw), filepath.Join(root, "bad")) {
		t.Errorf("the workspace is %q (%v)", raw, err)
	}
	if workspace, err := readable(all[:1], t.TempDir()); err != nil || workspace != "" {
		t.Errorf("where all can be read the workspace is %q, %v", workspace, err)
	}
}

// The time to go is that of the packages that wait, shared by the places, and never less than what
// the longest of them takes.
func TestTimeToGo(t *testing.T) {
	t.Parallel()
	tests, err := suite.New(t.Context(), nil, suite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newTestReport(nil, false)
	r.begin(tests, []suite.Package{
		{Path: "a", Expect: time.Minute}, {Path: "b", Expect: time.Minute},
	}, 1)
	if got := r.left(); got != 2*time.Minute {
		t.Errorf("%v, want 2m: nothing runs beside anything", got)
	}
}

func TestSlowestTests(t *testing.T) {
	t.Parallel()
	got := slowest([]slowTest{{"b", 1}, {"c", 3}, {"a", 1}}, 2)
	if !slices.Equal(got, []slowTest{{"c", 3}, {"a", 1}}) {
		t.Errorf("got %v", got)
	}
}
