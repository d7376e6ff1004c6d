package suite

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/internal/home"
)

// A workspace of two modules, with everything that can become of a package.
var workspace = map[string]string{
	"go.work":      "go 1.26.0\nuse (\n\t./one\n\t./two\n)\n",
	"one/go.mod":   "module toy.example/one\n\ngo 1.26.0\n",
	"two/go.mod":   "module toy.example/two\n\ngo 1.26.0\n",
	"one/plain.go": "package one\n",

	"one/same/same_test.go": `package same

import "testing"

func TestPasses(t *testing.T) {}

func TestHasParts(t *testing.T) { t.Run("part", func(t *testing.T) {}) }
`,
	"two/same/same_test.go": `package same

import (
	"os"
	"testing"
)

func TestEnvironment(t *testing.T) {
	if os.Getenv("COLOUR") != "blue" || os.Getenv("SHAPE") != "round" {
		t.Error("the environment did not arrive")
	}
	if _, err := os.Stat("same_test.go"); err != nil {
		t.Error(err) // tests run in the folder of their package
	}
}
`,
	"one/red/red_test.go": `package red

import "testing"

func TestFine(t *testing.T) {}

func TestParts(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("two and two is five") })
}
`,
	"one/panics/panics_test.go": `package panics

import "testing"

func TestPanics(t *testing.T) { panic("out of ideas") }
`,
	"one/exits/exits_test.go": `package exits

import (
	"os"
	"testing"
)

func TestExits(t *testing.T) { os.Exit(0) }
`,
	"two/broken/broken_test.go": "package broken\n\nfunc TestNothing(t *testing.T) {\n",
	"two/typo/typo_test.go":     "package typo\n\nvar x int = \"five\"\n",
}

func runWorkspace(t *testing.T) (results map[string]Result, failed map[string]error) {
	t.Helper()
	t.Setenv("GOFLAGS", "") // flags for the course's modules are not for these
	t.Setenv("GOTOOLCHAIN", "local")
	root := t.TempDir()
	for name, text := range workspace {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packages, err := List(t.Context(), Workspace{Root: root}, []string{"one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range packages {
		packages[i].Env = []string{"SHAPE=round"}
	}
	failed, err = Build(t.Context(), Workspace{Root: root}, t.TempDir(), false, packages)
	if err != nil {
		t.Fatal(err)
	}
	packages = slices.DeleteFunc(packages, func(p Package) bool { return failed[p.Path] != nil })
	tests, err := New(t.Context(), packages, Options{
		AtOnce: 2, Env: []string{"COLOUR=blue"}, LogDir: t.TempDir(),
		Args:   []string{"-test.shuffle=7"},
		Record: home.NewChildren(filepath.Join(t.TempDir(), "children")),
	})
	if err != nil {
		t.Fatal(err)
	}
	results = map[string]Result{}
	for _, r := range tests.Run(t.Context()) {
		results[r.Package.Name] = r
	}
	return results, failed
}

func TestEverythingThatCanBecomeOfAPackage(t *testing.T) {
	results, failed := runWorkspace(t)
	for path, want := range map[string]string{
		"toy.example/two/broken": "does not compile",
		"toy.example/two/typo":   `cannot use "five"`,
	} {
		if err := failed[path]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
	}
	cases := []struct {
		name  string
		red   []string // names of the tests that are red
		says  string
		tests int
	}{
		{"one/same", nil, "", 3},
		{"two/same", nil, "", 1},
		{"one/red", []string{"TestParts/bad"}, "two and two is five", 4},
		{"one/panics", []string{"TestPanics"}, "out of ideas", 0}, // it never ended
		{"one/exits", []string{"TestExits"}, "unexpected call to os.Exit(0)", 0},
	}
	if len(results) != len(cases) || len(failed) != 2 {
		t.Errorf("%d packages were tested and %d not built", len(results), len(failed))
	}
	for _, c := range cases {
		r := results[c.name]
		var red []string
		for _, one := range r.Red {
			red = append(red, one.Name)
		}
		if !slices.Equal(red, c.red) || (r.Err != nil) != (c.red != nil) {
			t.Errorf("%s: red %q, %v, want %q", c.name, red, r.Err, c.red)
		}
		if c.says != "" && !strings.Contains(said(r), c.says) {
			t.Errorf("%s says %q, want %q", c.name, said(r), c.says)
		}
		if len(r.Tests) != c.tests {
			t.Errorf("%s: %d tests, want %d", c.name, len(r.Tests), c.tests)
		}
		if raw, err := os.ReadFile(r.Log); err != nil || len(raw) == 0 {
			t.Errorf("%s: nothing of its output was kept (%v)", c.name, err)
		}
	}
}

func said(r Result) string {
	lines := slices.Clone(r.Last)
	for _, t := range r.Red {
		lines = append(lines, t.Output...)
	}
	return strings.Join(lines, "\n")
}

func TestLongestFirst(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), []Package{
		{Path: "short", Expect: time.Second}, {Path: "long", Expect: time.Minute},
		{Path: "unknown"},
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for p, ok := s.next(t.Context()); ok; p, ok = s.next(t.Context()) {
		order = append(order, p.Path)
	}
	if !slices.Equal(order, []string{"long", "short", "unknown"}) {
		t.Errorf("begins with %q", order)
	}
}

func TestWhatRunsNow(t *testing.T) {
	t.Parallel()
	r := newRecord()
	for _, e := range []event{
		{Action: "run", Test: "TestWaits"}, {Action: "pause", Test: "TestWaits"},
		{Action: "run", Test: "TestParts"}, {Action: "run", Test: "TestParts/one"},
	} {
		if err := r.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if name, _ := r.now(); name != "TestParts/one" {
		t.Errorf("runs %s", name)
	}
}

// Without room for three, the third waits for one of the others; with room, it does not. Two are
// always tested.
func TestRoom(t *testing.T) {
	t.Parallel()
	for _, room := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &Suite{
				opt: Options{Room: func() bool { return room }},
				queue: []Package{
					{Path: "a"}, {Path: "b", Expect: time.Minute}, {Path: "c", Expect: time.Minute},
				},
				running: map[string]*record{}, began: map[string]time.Time{},
			}
			for range always {
				if _, ok := s.next(t.Context()); !ok {
					t.Fatal("nothing is tested")
				}
			}
			third := make(chan Package, 1)
			go func() {
				p, _ := s.next(t.Context())
				third <- p
			}()
			time.Sleep(2 * roomPause)
			synctest.Wait()
			if began := len(third) == 1; began != room {
				t.Errorf("room %t, and the third was begun: %t", room, began)
			}
			s.end(Package{Path: "a"}) // now there is nobody in its way
			if p := <-third; p.Path != "c" {
				t.Errorf("the third is %q", p.Path)
			}
		})
	}
}

// Small packages take up less room: twice as many are tested where there is none.
func TestRoomForSmallOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Suite{
			opt:     Options{Room: func() bool { return false }},
			queue:   []Package{{Path: "a"}, {Path: "b"}, {Path: "c"}, {Path: "d"}, {Path: "e"}},
			running: map[string]*record{}, began: map[string]time.Time{},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*roomPause)
		defer cancel()
		began := 0
		for range 5 {
			if _, ok := s.next(ctx); ok {
				began++
			}
		}
		if began != 2*always {
			t.Errorf("%d small packages were begun, want %d", began, 2*always)
		}
	})
}
