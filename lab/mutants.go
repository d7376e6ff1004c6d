package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
	"course.example/lab/internal/mutant"
	"course.example/lab/internal/stage"
)

func mutantsCommand() *cli.Command {
	return &cli.Command{
		Name:      "mutants",
		Usage:     "take the promises of mutants.yaml away, one at a time: does a test fail?",
		ArgsUsage: "[STEP...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "list", Aliases: []string{"n"}, Usage: "list them and run nothing"},
			&cli.StringSliceFlag{Name: "only", Usage: "those with this `NAME` alone"},
			&cli.IntFlag{Name: "times", Value: 1, Usage: "run each `N` times: killed is killed " +
				"every time"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			root, err := home.Root()
			if err != nil {
				return err
			}
			if cmd.Int("times") < 1 {
				return fmt.Errorf("-times: %d is no number of runs", cmd.Int("times"))
			}
			trials, problems, err := findTrials(ctx, root, cmd.Args().Slice())
			if err != nil {
				return err
			}
			if only := cmd.StringSlice("only"); len(only) > 0 {
				trials = slices.DeleteFunc(trials, func(t trial) bool {
					return !slices.Contains(only, t.Name)
				})
				if len(trials) == 0 {
					return fmt.Errorf("there is no mutant %s", strings.Join(only, ", "))
				}
			}
			if cmd.Bool("list") {
				for _, t := range trials {
					fmt.Fprintf(cmd.Root().Writer, "%s  %s: %s\n", t.label(), t.File, t.Tests)
				}
				return errors.Join(problems...)
			}
			return runTrials(ctx, trials, problems, cmd.Int("times"))
		},
	}
}

// trial is a mutant, the module whose promise it takes away, and the one whose tests are asked.
type trial struct {
	mutant.Mutant
	of, asked module
}

func (t trial) label() string { return fmt.Sprintf("  %-20s %-36s", t.of.name, t.Name) }

// findTrials reads the lists of the modules that a reader means.
func findTrials(ctx context.Context, root string, only []string) (
	trials []trial, problems []error, err error,
) {
	all, err := findModules(ctx, root)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := choose(all, only)
	if err != nil {
		return nil, nil, err
	}
	for _, of := range chosen {
		list, wrong := mutant.Read(of.dir, of.name)
		problems = append(problems, wrong...)
		for _, m := range list {
			t := trial{Mutant: m, of: of, asked: of}
			if m.Module != "" {
				i := slices.IndexFunc(all, func(other module) bool { return other.name == m.Module })
				if i < 0 {
					problems = append(problems, fmt.Errorf("%s: module: go.work has no %q",
						t.place(), m.Module))
					continue
				}
				t.asked = all[i]
			}
			trials = append(trials, t)
		}
	}
	return trials, problems, nil
}

// place is where an entry stands.
func (t trial) place() string {
	return fmt.Sprintf("%s/%s:%d: %s", t.of.name, mutant.FileName, t.Line, t.Name)
}

// side is how many mutants are tried at a time: most of that is compiling.
const side = 2

// calmLimit is how long the tests of a package may take without a mutant. With one they may take
// several times as long as they did, before they count as hanging.
const calmLimit = 10 * time.Minute

// trying is what all trials have in common.
type trying struct {
	stage *stage.Stage
	env   []string // of the tests of steps: where the servers are
	flags string   // GOFLAGS
	race  bool

	mu    sync.Mutex
	calm  map[tested]mutant.Report
	score map[string]map[mutant.Kind]int // by module
}

// tested is the tests of a package.
type tested struct{ module, pkg string }

func (t trial) tests() tested { return tested{t.asked.name, t.Package} }

func runTrials(ctx context.Context, trials []trial, problems []error, times int) (err error) {
	st, err := stage.Open(ctx, "mutants")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(context.WithoutCancel(ctx))) }()
	for _, problem := range problems {
		st.Screen.Print(st.Screen.Red(problem.Error()))
	}
	if len(trials) == 0 {
		return fmt.Errorf("no mutants to try, %d slips in their lists", len(problems))
	}
	try := &trying{
		stage: st, calm: map[tested]mutant.Report{}, score: map[string]map[mutant.Kind]int{},
	}
	if err := try.prepare(ctx, trials); err != nil {
		return err
	}
	if err := try.calmly(ctx, trials); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(side)
	for _, t := range trials {
		group.Go(func() error { return try.one(ctx, t, times) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return try.sum(trials, len(problems))
}

// prepare provides what the tests need, once for all of them.
func (y *trying) prepare(ctx context.Context, trials []trial) error {
	if err := y.stage.NeedCompiler(ctx); err != nil {
		y.stage.Screen.Say("testing without the race detector: %v", err)
	} else {
		y.race = true
	}
	var asked []module
	for _, t := range trials {
		asked = append(asked, t.asked)
	}
	needs, err := sharedNeeds(asked)
	if err != nil {
		return err
	}
	env, err := y.stage.Provide(ctx, needs)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		y.env = append(y.env, name+"="+env[name])
	}
	flags, err := child.Run(ctx, child.Spec{Name: "go env", Path: "go", Args: []string{
		"env", "GOFLAGS"}, Record: y.stage.Run.Children})
	y.flags = strings.TrimSpace(flags)
	return err
}

// calmly runs all tests that are asked without a mutant, once for each package.
func (y *trying) calmly(ctx context.Context, trials []trial) error {
	first, patterns := map[tested]trial{}, map[tested][]string{}
	for _, t := range trials {
		s := t.tests()
		first[s] = t
		if !slices.Contains(patterns[s], t.Tests) {
			patterns[s] = append(patterns[s], t.Tests)
		}
	}
	y.stage.Screen.Say("running the tests of %d packages without a mutant", len(first))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(side)
	for s, t := range first {
		group.Go(func() error {
			test := y.test(t, calmLimit)
			test.Tests = strings.Join(patterns[s], "|")
			report, err := test.Run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", t.asked.name, err)
			}
			for _, name := range report.Failed {
				y.stage.Screen.Say("%s: %s fails without a mutant", t.asked.name, name)
			}
			y.mu.Lock()
			defer y.mu.Unlock()
			y.calm[s] = report
			return nil
		})
	}
	return group.Wait()
}

func (y *trying) test(t trial, limit time.Duration) mutant.GoTest {
	test := mutant.GoTest{
		Dir: t.asked.dir, Package: t.Package, Tests: t.Tests, Race: y.race,
		Limit: limit, Flags: y.flags, Record: y.stage.Run.Children,
	}
	// The lab's own tests start servers themselves, as in testModules.
	if t.asked.step != nil {
		test.Env = y.env
	}
	return test
}

// one tries one mutant and prints what came of it.
func (y *trying) one(ctx context.Context, t trial, times int) error {
	y.mu.Lock()
	calm := y.calm[t.tests()]
	y.mu.Unlock()
	verdict, ok := mutant.Judgeable(calm)
	for run := 0; ok && run < times; run++ {
		var err error
		if verdict, err = y.mutate(ctx, t, calm); err != nil {
			return fmt.Errorf("%s: %w", t.place(), err)
		}
		if verdict.Kind == mutant.Survived && run > 0 {
			verdict.Why += fmt.Sprintf(", in run %d", run+1)
		}
		ok = verdict.Kind == mutant.Killed || verdict.Kind == mutant.Harmless
	}
	line, scr := t.label()+" "+verdict.String(), y.stage.Screen
	switch verdict.Kind {
	case mutant.Survived:
		line = scr.Red(line)
	case mutant.Unknown:
		line = scr.Red(t.place() + ": " + verdict.Why)
	}
	scr.Print(line)
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.score[t.of.name] == nil {
		y.score[t.of.name] = map[mutant.Kind]int{}
	}
	y.score[t.of.name][verdict.Kind]++
	return nil
}

// mutate runs a mutant's tests with the mutant in its place.
func (y *trying) mutate(ctx context.Context, t trial, calm mutant.Report) (
	v mutant.Verdict, err error,
) {
	dir, err := y.stage.Run.MkdirTemp("mutant")
	if err != nil {
		return v, err
	}
	test := y.test(t, 20*time.Second+5*calm.Took)
	original := filepath.Join(t.of.dir, filepath.FromSlash(t.File))
	if test.Overlay, err = mutant.Overlay(dir, original, t.Source()); err != nil {
		return v, err
	}
	alone := test
	alone.Dir = t.of.dir
	wrong, err := alone.Compile(ctx, filepath.ToSlash(filepath.Dir(filepath.FromSlash(t.File))))
	if err != nil {
		return v, err
	}
	if wrong != "" {
		return t.Judge(calm, mutant.Report{Output: wrong}), nil
	}
	report, err := test.Run(ctx)
	return t.Judge(calm, report), err
}

// sum prints the table, and returns an error when the tests have to be mended, or a list.
func (y *trying) sum(trials []trial, problems int) error {
	rows := []string{fmt.Sprintf("  %-20s %8s %8s %8s %8s %8s",
		"", "mutants", "killed", "harmless", "survived", "unknown")}
	total := map[mutant.Kind]int{}
	row := func(name string, n map[mutant.Kind]int) {
		all := 0
		for _, of := range n {
			all += of
		}
		rows = append(rows, fmt.Sprintf("  %-20s %8d %8d %8d %8d %8d", name, all,
			n[mutant.Killed], n[mutant.Harmless], n[mutant.Survived], n[mutant.Unknown]))
	}
	var done []string
	for _, t := range trials {
		if slices.Contains(done, t.of.name) {
			continue
		}
		done = append(done, t.of.name)
		row(t.of.name, y.score[t.of.name])
		for kind, n := range y.score[t.of.name] {
			total[kind] += n
		}
	}
	row("all", total)
	y.stage.Screen.Print("\n" + strings.Join(rows, "\n") + "\n")
	if survived, wrong := total[mutant.Survived], total[mutant.Unknown]+problems; survived+wrong > 0 {
		return fmt.Errorf("%d mutants survived, of %d nothing is known", survived, wrong)
	}
	return nil
}
