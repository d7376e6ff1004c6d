package mutant

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// toy is a module whose tests call a package, build a program and run it.
var toy = map[string]string{
	"go.mod": "module toy\n\ngo 1.26\n",
	"toy.go": "package toy\n\nfunc Add(a, b int) int { return a + b }\n",
	"cmd/cmd.go": `package main

import (
	"fmt"
	"toy"
)

func main() { fmt.Print(toy.Add(2, 3)) }
`,
	"toy_test.go": `package toy

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestAdd(t *testing.T) {
	t.Run("small", func(t *testing.T) {
		if got := Add(2, 3); got != 5 {
			t.Errorf("got %d", got)
		}
	})
}

func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program).Output(); err != nil || string(out) != "5" {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestOther(*testing.T) {}
`,
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range toy {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name, file, old, new, tests string
		want                        Report
		output                      string
	}{
		{
			"calm", "", "", "", "TestAdd|TestOther",
			Report{Built: true, Passed: true, Ran: []string{"TestAdd", "TestAdd/small", "TestOther"}},
			"",
		},
		{
			"killed", "toy.go", "a + b", "a - b", "TestAdd",
			Report{
				Built: true, Ran: []string{"TestAdd", "TestAdd/small"},
				Failed: []string{"TestAdd/small", "TestAdd"},
			}, "got -1",
		},
		{
			"killed in a program that a test builds", "cmd/cmd.go", "2, 3", "2, 4", "TestProgram",
			Report{Built: true, Ran: []string{"TestProgram"}, Failed: []string{"TestProgram"}},
			"got 6",
		},
		{
			"survives", "toy.go", "a + b", "a - b", "TestOther",
			Report{Built: true, Passed: true, Ran: []string{"TestOther"}}, "",
		},
		{
			"does not compile", "toy.go", "a + b", "a + c", "TestAdd",
			Report{}, "undefined: c",
		},
		{
			"hangs", "toy.go", "return", "if a == 2 {\nselect {}\n}\nreturn", "TestAdd",
			Report{
				Built: true, Hung: true, Ran: []string{"TestAdd", "TestAdd/small"},
				Failed: []string{"TestAdd/small", "TestAdd"},
			}, "panic: test timed out after 3s",
		},
		{
			"ends the program", "toy.go", "return", "panic(a)\nreturn", "TestAdd",
			Report{
				Built: true, Ran: []string{"TestAdd", "TestAdd/small"},
				Failed: []string{"TestAdd/small", "TestAdd"},
			}, "panic: 2",
		},
		{
			"no such test", "", "", "", "TestNone",
			Report{Built: true, Passed: true}, "no tests to run",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test := GoTest{Dir: dir, Package: ".", Tests: c.tests, Limit: time.Minute,
				Env: []string{"GOWORK=off"}, Flags: "-buildvcs=false"}
			if strings.HasPrefix(c.name, "hangs") {
				test.Limit = 3 * time.Second // for the test to begin, too
			}
			if c.file != "" {
				source := strings.Replace(toy[c.file], c.old, c.new, 1)
				overlay, err := Overlay(t.TempDir(), filepath.Join(dir, filepath.FromSlash(c.file)), source)
				if err != nil {
					t.Fatal(err)
				}
				test.Overlay = overlay
				wrong, err := test.Compile(t.Context(), filepath.ToSlash(filepath.Dir(c.file)))
				if err != nil || (wrong == "") != c.want.Built || !c.want.Built &&
					!strings.Contains(wrong, c.output) {
					t.Errorf("compiling says %q, %v", wrong, err)
				}
			}
			got, err := test.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Built != c.want.Built || got.Passed != c.want.Passed || got.Hung != c.want.Hung ||
				!slices.Equal(got.Ran, c.want.Ran) || !slices.Equal(got.Failed, c.want.Failed) ||
				!strings.Contains(got.Output, c.output) {
				t.Errorf("got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// A run that is interrupted gives no verdict, and leaves nothing running.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	gone := errors.New("somebody pressed Ctrl-C")
	stop(gone)
	test := GoTest{Dir: t.TempDir(), Package: ".", Tests: "TestAdd", Limit: time.Minute}
	if _, err := test.Run(ctx); !errors.Is(err, gone) {
		t.Errorf("run: %v", err)
	}
	if _, err := test.Compile(ctx, "."); !errors.Is(err, gone) {
		t.Errorf("compile: %v", err)
	}
}
