package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// makes returns what make would do.
func makes(t *testing.T, target string) []string {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-n", target)
	cmd.Dir = root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=") // a make that runs these tests is another one
		return strings.HasPrefix(name, "MAKE") || name == "ARGS" || name == "PART"
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make -n %s: %v\n%s", target, err, out)
	}
	return strings.Fields(strings.ReplaceAll(string(out), ";", " "))
}

// The parts of a step have experiments of their own: what breaks everything breaks them, too.
func TestMakeBreakIsEverything(t *testing.T) {
	t.Parallel()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	steps, err := manifest.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	words := makes(t, "break")
	parts := 0
	for _, step := range steps {
		within, err := manifest.Parts(filepath.Join(root, step))
		if err != nil {
			t.Fatal(err)
		}
		parts += len(within)
		for _, part := range append([]string{""}, within...) {
			name := strings.TrimSuffix(step+"/"+part, "/")
			if !slices.Contains(words, name) {
				t.Errorf("make break leaves %s out", name)
			}
		}
	}
	if parts == 0 {
		t.Error("no step has parts")
	}
}

func TestMakeTakesOneDigit(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"bench-7": "07-rabbitmq/go.mod", "bench-12": "12-actors/bench/go.mod",
		"bench-07": "07-rabbitmq/go.mod", "run-7": "7", "break-7": "7", "test-7": "7",
	} {
		if words := makes(t, target); !slices.Contains(words, want) {
			t.Errorf("make %s does not know of %s: %q", target, want, words)
		}
	}
}

// A checkout may lie in a folder with a space in its name.
func TestMakeFmtInAFolderWithASpace(t *testing.T) {
	t.Parallel()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a course")
	for name, text := range map[string]string{
		"Makefile": string(makefile), "go.work": "go 1.26\nuse (\n./a\n./b\n)\n",
		"a/go.mod": "module example/a\ngo 1.26\n", "a/a.go": "package   a\n",
		"b/go.mod": "module example/b\ngo 1.26\n", "b/b.go": "package   b\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "make", "fmt")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GOWORK=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make fmt: %v\n%s", err, out)
	}
	for _, name := range []string{"a", "b"} {
		text, err := os.ReadFile(filepath.Join(dir, name, name+".go"))
		if err != nil || string(text) != "package "+name+"\n" {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
}
