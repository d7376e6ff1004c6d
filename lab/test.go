package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
	"course.example/lab/internal/pace"
	"course.example/lab/internal/stage"
	"course.example/lab/internal/suite"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "vet, staticcheck and test every module, or those of some steps",
		ArgsUsage: "[STEP...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "v", Usage: "show what every test prints"},
			&cli.StringFlag{Name: "tests", Usage: "only the tests that match `PATTERN`"},
			&cli.IntFlag{Name: "repeat", Value: 1, Usage: "test everything `N` times"},
			&cli.BoolFlag{Name: "stress", Usage: "beside a program that keeps all processors busy"},
			&cli.BoolFlag{Name: "long", Usage: "the experiments that take long, too"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the order of the tests " +
				"and of the faults; each repetition adds 1"},
			&cli.IntFlag{Name: "at-once", Value: 3 * runtime.NumCPU(),
				Usage: "test at most `N` packages at a time, fewer while the machine is busy"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			for _, name := range []string{"repeat", "at-once"} {
				if n := cmd.Int(name); n < 1 {
					return fmt.Errorf("-%s is at least 1, not %d", name, n)
				}
			}
			root, err := home.Root()
			if err != nil {
				return err
			}
			all, err := findModules(ctx, root)
			if err != nil {
				return err
			}
			modules, err := choose(all, cmd.Args().Slice())
			if err != nil {
				return err
			}
			return (&testRun{cmd: cmd, root: root, all: all, modules: modules}).run(ctx)
		},
	}
}

// testRun is one call of lab test.
type testRun struct {
	cmd     *cli.Command
	root    string
	all     []module
	modules []module // of all, those to test

	workspace string // a go.work file, when the checkout's own cannot be used
	stage     *stage.Stage
	packages  []suite.Package
	report    *testReport
}

// run makes every check of every module, and goes on after a failure: one run tells all that is
// wrong.
func (t *testRun) run(ctx context.Context) (err error) {
	if err := keepInMemory(); err != nil {
		return err
	}
	t.stage, err = stage.Open(ctx, "test")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stage.Close(context.WithoutCancel(ctx))) }()
	t.report = newTestReport(t.stage.Screen, t.cmd.Bool("v"))
	if t.workspace, err = readable(t.all, t.stage.Run.Dir()); err != nil {
		return err
	}
	t.modules = slices.DeleteFunc(slices.Clone(t.modules), func(m module) bool {
		if m.bad != nil {
			t.report.leftOut(m.name, m.bad)
		}
		return m.bad != nil
	})
	if err := t.build(ctx); err != nil {
		return err
	}
	// The checks that only compute are done beside the tests, which mostly wait.
	static := make(chan struct{})
	go func() {
		defer close(static)
		for _, c := range checks(t.modules, t.workspace) {
			t.report.checked(c, c.run(ctx, t.root))
		}
	}()
	err = t.rounds(ctx)
	<-static
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.cmd.String("tests") == "" {
		if err := t.report.saveTimes(); err != nil {
			return err
		}
	}
	return t.report.end()
}

// keepInMemory has all servers keep their data in memory where there is room: hundreds of tests make
// a database of their own and throw it away, which costs a disk more than the tests themselves. A
// server that is killed, the machine going on, loses nothing by it.
func keepInMemory() error {
	dir := inMemory()
	if _, set := os.LookupEnv(home.EnvData); set || dir == "" {
		return nil
	}
	if err := os.Setenv(home.EnvData, dir); err != nil {
		return fmt.Errorf("keep the servers' data in memory: %w", err)
	}
	return nil
}

// rounds tests everything as often as it was asked to.
func (t *testRun) rounds(ctx context.Context) (err error) {
	if t.cmd.Bool("stress") {
		stop, err := startStress(t.stage.Run)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	for n := range t.cmd.Int("repeat") {
		if err := t.round(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// build compiles all tests, and starts the servers that they share.
func (t *testRun) build(ctx context.Context) error {
	needs, err := sharedNeeds(t.modules)
	if err != nil {
		return err
	}
	race := raceDetector(ctx, t.stage)
	w := suite.Workspace{Root: t.root, File: t.workspace}
	if t.packages, err = suite.List(ctx, w, names(t.modules)); err != nil {
		return err
	}
	t.stage.Screen.Say("compiling the tests of %d packages", len(t.packages))
	dir, err := t.stage.Run.Mkdir("tests")
	if err != nil {
		return err
	}
	var (
		env    map[string]string
		failed map[string]error
	)
	group, building := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		env, err = t.stage.Provide(building, needs)
		return err
	})
	group.Go(func() (err error) {
		failed, err = suite.Build(building, w, dir, race, t.packages)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	t.stage.Screen.Say("compiled in %v", time.Since(t.report.began).Round(time.Second))
	t.packages = slices.DeleteFunc(t.packages, func(p suite.Package) bool {
		err, bad := failed[p.Path]
		if bad {
			t.report.notBuilt(p, err)
		}
		return bad
	})
	return t.prepare(env)
}

// prepare says of each package which servers its tests may use and how long they may take.
func (t *testRun) prepare(env map[string]string) error {
	times, err := readTimes()
	if err != nil {
		return err
	}
	for i := range t.packages {
		p := &t.packages[i]
		p.Expect = expected(t.root, *p, times)
		// The lab's own tests start servers of every kind themselves: an address in the
		// environment would keep them from it.
		if m := t.moduleOf(p.Name); m.step != nil {
			for name, value := range env {
				p.Env = append(p.Env, name+"="+value)
			}
		}
	}
	return nil
}

func (t *testRun) moduleOf(pkg string) (found module) {
	for _, m := range t.modules {
		if (pkg == m.name || strings.HasPrefix(pkg, m.name+"/")) && len(m.name) > len(found.name) {
			found = m
		}
	}
	return found
}

// testLimit is how long the tests of one package may take. A step that is broken on purpose,
// again and again, may need most of that on a slow machine.
const testLimit = 20 * time.Minute

// crowded is how much slower than usual the machine may be before no further package is begun.
const crowded = 1.6

func (t *testRun) round(ctx context.Context, n int) error {
	seed := t.cmd.Uint64("seed") + uint64(n)
	where := []string{"test"}
	if t.cmd.Int("repeat") > 1 { // a later round must not wipe out what a red one has said
		where = append(where, fmt.Sprintf("seed-%d", seed))
	}
	logs, err := stage.LastDir(where...)
	if err != nil {
		return err
	}
	meter := pace.Start(ctx)
	defer meter.Stop()
	full := crowded
	if t.cmd.Bool("stress") {
		full *= 1.5 // the machine is slower anyway
	}
	args := []string{
		fmt.Sprintf("-test.shuffle=%d", seed), "-test.timeout=" + testLimit.String(),
		// Most of the tests that may run side by side wait for somebody.
		fmt.Sprintf("-test.parallel=%d", runtime.NumCPU()+1),
	}
	if pattern := t.cmd.String("tests"); pattern != "" {
		args = append(args, "-test.run="+pattern)
	}
	env := []string{
		fmt.Sprintf("LAB_SEED=%d", seed), "GOWORK=" + t.workspace,
		// A program with the race detector otherwise sleeps a second before it ends.
		"GORACE=" + cmp.Or(os.Getenv("GORACE"), "atexit_sleep_ms=50"),
		// Nobody debugs the programs that tests build, and a third of the linker's time goes there.
		"GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -ldflags=-w"),
	}
	if t.cmd.Bool("long") {
		env = append(env, "LAB_LONG=yes")
	}
	tests, err := suite.New(ctx, t.packages, suite.Options{
		AtOnce: t.cmd.Int("at-once"), Args: args, LogDir: logs, Record: t.stage.Run.Children,
		Env:  env,
		Done: t.report.ended, Room: func() bool { return meter.Now() < full },
	})
	if err != nil {
		return err
	}
	if rounds := t.cmd.Int("repeat"); rounds > 1 {
		t.stage.Screen.Say("round %d of %d, seed %d", n+1, rounds, seed)
	}
	t.report.begin(tests, t.packages, seed)
	return t.report.watch(ctx, func(ctx context.Context) { tests.Run(ctx) })
}

// startStress keeps all processors busy until stop is called.
func startStress(run *home.Run) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("keep the processors busy: %w", err)
	}
	busy, err := child.Start(child.Spec{
		Name: "busy", Path: self, Args: []string{busyName}, Record: run.Children,
	})
	if err != nil {
		return nil, fmt.Errorf("keep the processors busy: %w", err)
	}
	return func() error { return errors.Join(busy.Kill(), waitFor(busy)) }, nil
}

func waitFor(p *child.Process) error {
	select {
	case <-p.Done():
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s does not end", p.Name())
	}
}

// busyName is the command that lab test -stress starts.
const busyName = "busy"

// busyCommand computes nothing, on every processor, until it is killed.
func busyCommand() *cli.Command {
	return &cli.Command{
		Name: busyName, Hidden: true, Usage: "keep every processor busy",
		Action: func(ctx context.Context, _ *cli.Command) error {
			var group errgroup.Group
			for range runtime.NumCPU() {
				group.Go(func() error {
					for ctx.Err() == nil {
						for range 1_000_000 {
						}
					}
					return nil
				})
			}
			return group.Wait()
		},
	}
}

// lastTimes is where the times of the last run lie, which tell how long the next one will take.
func lastTimes() (string, error) {
	state, err := home.Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(state, "times.json"), nil
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
