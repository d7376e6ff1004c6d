package labtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A test of a program that has changed is run again, though nothing of the test itself changed.
func TestSourcesAreSeenByTheTestCache(t *testing.T) {
	t.Parallel()
	lab, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program", "main.go")
	for path, text := range map[string]string{
		filepath.Join(dir, "go.mod"): "module toy.example\n\ngo 1.26.0\n",
		program:                      "package main\n\nfunc main() {}\n",
		filepath.Join(dir, "toy_test.go"): `package toy

import (
	"os"
	"os/exec"
	"testing"

	"course.example/lab/labtest"
)

func TestProgram(t *testing.T) {
	labtest.Sources(t)
	if err := exec.Command("go", "build", "-o", os.DevNull, "./program").Run(); err != nil {
		t.Error(err)
	}
}
`,
		filepath.Join(dir, "go.work"): "go 1.26.0\nuse (\n\t.\n\t" + lab + "\n)\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		// A file that is new may still change without a trace: Go does not trust its time.
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	test := func() string {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-v", ".")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=", "GOFLAGS=-buildvcs=false")
		out, _ := cmd.CombinedOutput() // an error is in the output
		return string(out)
	}
	if out := test(); !strings.Contains(out, "\nok ") || strings.Contains(out, "(cached)") {
		t.Fatalf("the first time:\n%s", out)
	}
	if out := test(); !strings.Contains(out, "(cached)") {
		t.Fatalf("nothing has changed:\n%s", out)
	}
	if err := os.WriteFile(program, []byte("package main\n\nfunc main() { x }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := test(); strings.Contains(out, "(cached)") || strings.Contains(out, "\nok ") {
		t.Errorf("the program does not compile any more:\n%s", out)
	}
}
