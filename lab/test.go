package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
	"course.example/lab/services"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "vet, staticcheck and test every module, or those of some steps",
		ArgsUsage: "[STEP...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "v", Usage: "pass -v to go test"},
			&cli.StringFlag{Name: "tests", Usage: "pass -run `PATTERN` to go test"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			root, err := home.Root()
			if err != nil {
				return err
			}
			modules, err := findModules(ctx, root, cmd.Args().Slice())
			if err != nil {
				return err
			}
			var flags []string
			if cmd.Bool("v") {
				flags = append(flags, "-v")
			}
			if pattern := cmd.String("tests"); pattern != "" {
				flags = append(flags, "-run", pattern)
			}
			return testModules(ctx, modules, flags)
		},
	}
}

// module is a module of the workspace.
type module struct {
	dir  string
	name string         // its folder as in go.work, without ./
	step *manifest.Step // nil for shop and lab
}

// findModules asks go.work, so that a new step is tested without an edit here.
func findModules(ctx context.Context, root string, only []string) ([]module, error) {
	list := exec.CommandContext(ctx, "go", "work", "edit", "-json", "go.work")
	list.Dir = root
	list.Env = append(os.Environ(), "GOWORK=") // its own tests run with GOWORK=off too
	raw, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules of go.work: %w", err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(raw, &work); err != nil {
		return nil, fmt.Errorf("read go work edit -json: %w", err)
	}
	var all []module
	for _, use := range work.Use {
		m := module{
			dir: filepath.Join(root, use.DiskPath), name: path.Clean(filepath.ToSlash(use.DiskPath)),
		}
		if _, err := os.Stat(filepath.Join(m.dir, manifest.FileName)); err == nil {
			if m.step, err = manifest.Read(m.dir); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	if len(only) == 0 {
		return all, nil
	}
	var some []module
	for _, want := range only {
		found := false
		for _, m := range all {
			if m.is(want) {
				some, found = append(some, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no module %q: go.work has %s",
				want, strings.Join(names(all), ", "))
		}
	}
	return some, nil
}

// is says whether a reader means this module: by its folder, or by the number or the name of the
// step that it is or lies in.
func (m module) is(want string) bool {
	step, _, _ := strings.Cut(m.name, "/")
	number, _, _ := strings.Cut(step, "-")
	return want == m.name || want == step && step != "lab" || want == number && number != step
}

func names(modules []module) []string {
	var all []string
	for _, m := range modules {
		all = append(all, m.name)
	}
	return all
}

// testModules runs every check of every module, and goes on after a failure:
// one run tells all that is wrong.
func testModules(ctx context.Context, modules []module, flags []string) (err error) {
	st, err := stage.Open(ctx, "test")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(context.WithoutCancel(ctx))) }()
	race := raceDetector(ctx, st)

	needs, err := sharedNeeds(modules)
	if err != nil {
		return err
	}
	env, err := st.Provide(ctx, needs)
	if err != nil {
		return err
	}
	var table []string
	failed := 0
	for _, m := range modules {
		for _, c := range checks(m, race, flags) {
			took, err := c.run(ctx, m, env)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			word := "ok"
			if err != nil {
				word, failed = "FAILED", failed+1
				st.Screen.Say("%s: %s: %v", m.name, c.name, err)
			}
			table = append(table, fmt.Sprintf("  %-20s %-12s %-7s %6.1f s",
				m.name, c.name, word, took.Seconds()))
		}
	}
	st.Screen.Print("\n" + strings.Join(table, "\n") + "\n")
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// sharedNeeds is what the modules need together. Of a kind that one step needs once and another
// several times there are several: a test that wants one takes the first.
func sharedNeeds(modules []module) ([]string, error) {
	most := map[services.Kind]services.Need{}
	for _, m := range modules {
		if m.step == nil {
			continue
		}
		for _, text := range m.step.Needs {
			need, err := services.ParseNeed(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			if need.Count > most[need.Kind].Count {
				most[need.Kind] = need
			}
		}
	}
	var all []string
	for _, need := range most {
		all = append(all, need.String())
	}
	slices.Sort(all)
	return all, nil
}

// check is one thing that must be true of a module.
type check struct {
	name string
	args []string // of go
	env  []string
}

func checks(m module, race bool, flags []string) []check {
	test := []string{"test"}
	if race {
		test = append(test, "-race")
	}
	// Go's own limit is ten minutes for a package. A step that is broken on purpose, again and
	// again, may need most of that on a slow machine.
	test = append(append(test, "-timeout=20m"), flags...)
	test = append(test, "./...")
	return []check{
		{"vet", []string{"vet", "./..."}, nil},
		{"staticcheck", []string{"tool", "staticcheck", "./..."}, nil},
		// As a student builds it who takes this one folder home.
		// To nowhere: of a module with one program go build would leave it there.
		{
			"build alone", []string{"build", "-buildvcs=false", "-o", os.DevNull, "./..."},
			[]string{"GOWORK=off"},
		},
		{"test", test, nil},
	}
}

func (c check) run(
	ctx context.Context, m module, services map[string]string,
) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "go", c.args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), c.env...)
	if m.step != nil {
		// The lab's own tests start servers of every kind themselves: an
		// address in the environment would keep them from it.
		for _, name := range slices.Sorted(maps.Keys(services)) {
			cmd.Env = append(cmd.Env, name+"="+services[name])
		}
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Ctrl-C reaches the tests by itself: they are of the terminal's group. go
	// test is asked besides, for a SIGTERM of the lab alone.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	started := time.Now()
	err := cmd.Run()
	return time.Since(started), err
}

// raceDetector says whether -race can be used: it needs cgo, and cgo needs a C
// compiler.
func raceDetector(ctx context.Context, st *stage.Stage) bool {
	if err := st.NeedCompiler(ctx); err != nil {
		st.Screen.Say("testing without the race detector: %v", err)
		return false
	}
	return true
}
