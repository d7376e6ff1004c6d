package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/experiment"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
)

func breakCommand() *cli.Command {
	return &cli.Command{
		Name:      "break",
		Usage:     "break a step on purpose and see what it cost",
		ArgsUsage: "STEP",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "only",
				Usage: "run the experiment `NAME` alone, or several, with commas"},
			&cli.StringFlag{Name: "variant",
				Usage: "run the right variant's experiments with the variant `NAME`"},
			&cli.BoolFlag{Name: "list", Usage: "list the experiments and run none"},
			&cli.Uint64Flag{Name: "seed", Usage: "`SEED` of the faults' random times and targets"},
			&cli.DurationFlag{Name: "for", Usage: "let customers come for this `TIME`"},
			&cli.FloatFlag{Name: "rate", Usage: "let `N` customers come a second"},
			&cli.StringFlag{Name: "json", Usage: "write the full histories to `FILE`"},
			&cli.StringFlag{Name: "svg", Usage: "draw the one experiment into `FILE`"},
			&cli.BoolFlag{Name: "v", Usage: "show every line of the processes"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			step, err := stepArg(cmd)
			if err != nil {
				return err
			}
			return breakStep(ctx, cmd, step)
		},
	}
}

func breakStep(ctx context.Context, cmd *cli.Command, step *manifest.Step) (err error) {
	if err := checkLoad(cmd); err != nil {
		return err
	}
	experiments, err := selected(cmd, step)
	if err != nil {
		return err
	}
	if cmd.Bool("list") {
		for _, e := range experiments {
			fmt.Printf("%-26s %-20s %s\n", e.Name, e.Variant, e.About)
		}
		return nil
	}
	if cmd.String("svg") != "" && len(experiments) != 1 {
		return fmt.Errorf("-svg draws one experiment, and these are %d: choose it with -only",
			len(experiments))
	}
	if err := checkOnceFlags(cmd, step); err != nil {
		return err
	}
	seed := cmd.Uint64("seed")
	if !cmd.IsSet("seed") {
		seed = rand.Uint64N(1_000_000)
	}
	st, err := stage.Open(ctx, "break "+step.Number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(context.WithoutCancel(ctx))) }()
	st.Screen.Say("%d experiments with seed %d", len(experiments), seed)

	var lines []string // of the experiment that is going on
	results, err := experiment.RunAll(ctx, st, step, experiments, experiment.Options{
		Seed: seed,
		Show: func(l history.Line) {
			lines = append(lines, screen.Record(l))
			if cmd.Bool("v") || l.Process == history.Lab {
				st.Screen.Show(l)
			} else {
				st.Screen.Record(l)
			}
		},
		Done: func(r experiment.Result) {
			st.Screen.Say("%s: %s", r.Name, r.Verdict())
			if r.Held() && r.Differs != "" { // of one that did not hold it is said below
				st.Screen.Say("%s: %s", r.Name, r.Differs)
			}
			if !r.Held() && r.NotRun == "" {
				keepRed(st.Screen, step, r, lines)
			}
			lines = nil
		},
	})
	if len(results) > 0 {
		st.Screen.Print("\n" + experiment.Table(results, st.Screen.Colour()))
		err = errors.Join(err, report(cmd.String("json"), results),
			drawAll(st.Screen, cmd.String("svg"), results))
	}
	for _, r := range results {
		for _, complaint := range r.Complaints() {
			for line := range strings.SplitSeq(complaint, "\n") {
				st.Screen.Print(screen.Printable(line)) // it may quote a process
			}
		}
	}
	if err == nil && !allHeld(results) {
		st.Screen.Print("again with the same faults: " + again(cmd, step, seed))
		return errQuiet
	}
	return err
}

// again is the command that carries the same experiments out once more, with the same load and the
// same choices of chance.
func again(cmd *cli.Command, step *manifest.Step, seed uint64) string {
	_, part, isPart := strings.Cut(step.Name, "/")
	words := []string{"go run ./lab break", step.Number, "-seed", fmt.Sprint(seed)}
	if isPart {
		words[1] += "/" + part
	}
	if only := cmd.String("only"); only != "" {
		words = append(words, "-only", strings.ReplaceAll(only, " ", ""))
	}
	if variant := cmd.String("variant"); variant != "" {
		words = append(words, "-variant", variant)
	}
	if cmd.IsSet("for") {
		words = append(words, "-for", cmd.Duration("for").String())
	}
	if cmd.IsSet("rate") {
		words = append(words, "-rate", strconv.FormatFloat(cmd.Float("rate"), 'f', -1, 64))
	}
	return strings.Join(words, " ")
}

// keepRed keeps what is known of an experiment that went wrong, and says where.
func keepRed(scr *screen.Screen, step *manifest.Step, r experiment.Result, lines []string) {
	dir, err := experiment.Keep(r, step, lines)
	if err != nil {
		scr.Say("%v", err)
		return
	}
	scr.Say("what the processes wrote, the history and the picture are in %s", dir)
}

func selected(cmd *cli.Command, step *manifest.Step) ([]manifest.Experiment, error) {
	all := *step
	if variant := cmd.String("variant"); variant != "" {
		with, err := step.With(variant)
		if err != nil {
			return nil, err
		}
		all.Experiments = with
	}
	experiments := slices.DeleteFunc(slices.Clone(all.Experiments),
		func(e manifest.Experiment) bool { return e.Soak })
	if only := cmd.String("only"); only != "" {
		experiments = nil
		for name := range strings.SplitSeq(only, ",") {
			e, err := all.Experiment(strings.TrimSpace(name))
			if short, shortErr := all.Experiment(
				cmd.String("variant") + "-" + strings.TrimSpace(name)); shortErr == nil {
				e, err = short, nil
			}
			if err != nil {
				return nil, err
			}
			experiments = append(experiments, e)
		}
	}
	if len(experiments) == 0 {
		return nil, fmt.Errorf("%s declares no experiments", step.Name)
	}
	for i := range experiments {
		if load := &experiments[i].Load; load.Rate > 0 {
			if d := cmd.Duration("for"); d > 0 {
				load.For = manifest.Duration(d)
			}
			if r := cmd.Float("rate"); r > 0 {
				load.Rate = r
			}
		}
	}
	return experiments, nil
}

// allHeld is false for an experiment that broke a promise, or of which nobody can tell, and true
// for one that this system cannot run: that is said in the table, and is no failure as long as
// there are others.
func allHeld(results []experiment.Result) bool {
	ran := false
	for _, r := range results {
		if !r.Held() && r.NotRun == "" {
			return false
		}
		ran = ran || r.NotRun == ""
	}
	return ran
}

// report writes the whole histories for later drawing.
func report(path string, results []experiment.Result) error {
	if path == "" {
		return nil
	}
	raw, err := json.MarshalIndent(struct {
		Written time.Time           `json:"written"`
		Results []experiment.Result `json:"results"`
	}{time.Now(), results}, "", " ")
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the histories: %w", err)
	}
	return nil
}

// drawAll draws every experiment into .lab/last, and the one that was asked for
// where it was asked for.
func drawAll(scr *screen.Screen, path string, results []experiment.Result) error {
	// Without one there are no orders to draw: programs that run once.
	drawn := slices.IndexFunc(results, func(r experiment.Result) bool {
		return !r.History.Started.IsZero()
	})
	if drawn < 0 {
		return nil
	}
	dir, err := stage.LastDir(results[drawn].History.Step)
	if err != nil {
		return err
	}
	if err := removeOld(dir); err != nil {
		return err
	}
	for _, r := range results {
		if r.NotRun != "" || r.History.Started.IsZero() {
			continue
		}
		err := errors.Join(r.CheckPicture(),
			experiment.Draw(filepath.Join(dir, r.Name+".svg"), r))
		if err != nil {
			return err
		}
		if path != "" {
			if err := experiment.Draw(path, r); err != nil {
				return err
			}
		}
	}
	scr.Print("pictures of the runs: " + filepath.Join(dir, "*.svg"))
	return nil
}

// removeOld removes the pictures of earlier runs of the step: a picture that is
// older than the table beside it tells a lie.
func removeOld(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		return fmt.Errorf("remove old pictures: %w", err)
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove old pictures: %w", err)
		}
	}
	return nil
}
