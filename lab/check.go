package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/exercise"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "list the exercises of a step, or judge one of them",
		ArgsUsage: "STEP or STEP.N",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "watch", Usage: "judge again on every save, until Ctrl-C"},
			&cli.BoolFlag{Name: "all", Usage: "judge all exercises of the step"},
			&cli.BoolFlag{Name: "solution", Usage: "judge the solution instead"},
			&cli.BoolFlag{Name: "json", Usage: "say it as JSON"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			step, one, err := exerciseArg(cmd)
			if err != nil {
				return err
			}
			if cmd.Bool("watch") && one == nil {
				return errors.New("-watch is for one exercise, such as 07.1")
			}
			exercises := []*manifest.Exercise{one}
			if one == nil {
				if exercises, err = step.Exercises(); err != nil {
					return err
				}
				if !cmd.Bool("all") {
					return list(cmd, step, exercises)
				}
			}
			return judge(ctx, cmd, exercises)
		},
	}
}

func hintCommand() *cli.Command {
	return &cli.Command{
		Name: "hint", Usage: "open the next hint for an exercise", ArgsUsage: "STEP.N",
		Action: func(_ context.Context, cmd *cli.Command) error {
			_, e, err := exerciseArg(cmd)
			if err == nil && e == nil {
				err = errors.New("which exercise? for example: go run ./lab hint 07.1")
			}
			if err != nil {
				return err
			}
			return hint(e)
		},
	}
}

func progressCommand() *cli.Command {
	return &cli.Command{
		Name: "progress", Usage: "show what has been done of all exercises",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "say it as JSON"}},
		Action: func(_ context.Context, cmd *cli.Command) error { return progress(cmd.Bool("json")) },
	}
}

// exerciseArg reads 07 or 07.2: the step, and the exercise if one is named.
func exerciseArg(cmd *cli.Command) (*manifest.Step, *manifest.Exercise, error) {
	switch cmd.Args().Len() {
	case 0:
		return nil, nil, fmt.Errorf("which one? for example: go run ./lab %s 07.1", cmd.Name)
	case 1:
	default:
		return nil, nil, fmt.Errorf("one at a time, not %q", cmd.Args().Slice())
	}
	root, err := home.Root()
	if err != nil {
		return nil, nil, err
	}
	arg, number, named := strings.Cut(cmd.Args().First(), ".")
	step, err := manifest.LoadStep(root, arg)
	if err != nil || !named {
		return step, nil, err
	}
	e, err := step.Exercise(number)
	return step, e, err
}

// told is one exercise with its state, for a person or a program.
type told struct {
	Number string `json:"number"`
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	exercise.State
	Changed bool `json:"changed,omitempty"` // since the verdict
}

func tell(e *manifest.Exercise, p exercise.Progress) (told, error) {
	t := told{Number: e.Number, Kind: e.Kind, Title: e.Title, State: p[e.Number]}
	if t.At.IsZero() {
		return t, nil
	}
	sum, err := exercise.Sum(e)
	t.Changed = sum != t.Sum
	return t, err
}

func (t told) String() string {
	state := "red    " + t.Why
	switch {
	case t.At.IsZero():
		state = "not tried"
	case t.Changed:
		state = "changed since it was judged"
	case t.Green:
		state = "GREEN"
	}
	return fmt.Sprintf("%-6s %-8s %-46s %s", t.Number, t.Kind, t.Title, state)
}

// list shows the exercises of a step with their state.
func list(cmd *cli.Command, step *manifest.Step, exercises []*manifest.Exercise) error {
	if len(exercises) == 0 {
		return fmt.Errorf("%s has no exercises that can be judged", step.Name)
	}
	p, err := exercise.ReadProgress()
	if err != nil {
		return err
	}
	all := []told{}
	for _, e := range exercises {
		t, err := tell(e, p)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	if cmd.Bool("json") {
		return sayJSON(all)
	}
	for _, t := range all {
		fmt.Println(t)
	}
	fmt.Printf("\nThe task of one is in %s/exercises, its judge is: make check-%s\n",
		step.Name, exercises[0].Number)
	return nil
}

// judge judges exercises, and says what came of it. With -watch it does so again and again.
func judge(ctx context.Context, cmd *cli.Command, exercises []*manifest.Exercise) (err error) {
	p, err := exercise.ReadProgress()
	if err != nil {
		return err
	}
	st, err := stage.Open(ctx, "check")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(context.WithoutCancel(ctx))) }()
	if cmd.Bool("json") {
		st.Screen.Silence()
	}
	judge := exercise.Judge{Stage: st, Seed: 1, Solution: cmd.Bool("solution")}
	for {
		all, err := judgeAll(ctx, judge, exercises, p)
		if err != nil {
			return err
		}
		switch {
		case cmd.Bool("json"):
			err = sayJSON(all)
		default:
			say(all)
		}
		if err != nil || !cmd.Bool("watch") {
			return errors.Join(err, redIsAnError(all))
		}
		fmt.Println("\nwaiting for you to save a file; Ctrl-C ends it")
		if err := untilChanged(ctx, exercises[0]); err != nil {
			return err
		}
	}
}

func judgeAll(
	ctx context.Context, judge exercise.Judge, exercises []*manifest.Exercise, p exercise.Progress,
) ([]told, error) {
	all := []told{}
	for _, e := range exercises {
		v, err := judge.Judge(ctx, e)
		if err != nil {
			return all, fmt.Errorf("exercise %s: %w", e.Number, err)
		}
		t := told{Number: e.Number, Kind: e.Kind, Title: e.Title}
		t.Verdict, t.At = v, time.Now()
		if !judge.Solution { // what a student has not done is not kept
			if err := errors.Join(p.Judged(e, v), p.Write()); err != nil {
				return all, err
			}
		}
		all = append(all, t)
	}
	return all, nil
}

func say(all []told) {
	for _, t := range all {
		fmt.Println(t)
		if t.Green {
			fmt.Printf("       %s\n", t.Why)
		}
		for _, line := range t.More[:min(len(t.More), 20)] {
			fmt.Printf("       %s\n", line)
		}
	}
}

// redIsAnError has the program end with code 1 when anything is red. It has been said already.
func redIsAnError(all []told) error {
	for _, t := range all {
		if !t.Green {
			return errQuiet
		}
	}
	return nil
}

// look is how often a folder is looked at for changes.
const look = 300 * time.Millisecond

// untilChanged waits until a file of the exercise has changed.
func untilChanged(ctx context.Context, e *manifest.Exercise) error {
	before, err := exercise.Sum(e)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for now := before; err == nil && now == before; now, err = exercise.Sum(e) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errQuiet
		}
	}
	return err
}

// hint opens one more hint, and shows those that are open.
func hint(e *manifest.Exercise) error {
	p, err := exercise.ReadProgress()
	if err != nil {
		return err
	}
	if len(e.Hints) == 0 {
		return fmt.Errorf("%s has no hints", e.Number)
	}
	state := p[e.Number]
	state.Hints = min(state.Hints+1, len(e.Hints))
	p[e.Number] = state
	for i, text := range e.Hints[:state.Hints] {
		fmt.Printf("hint %d of %d: %s\n", i+1, len(e.Hints), strings.TrimSpace(text))
	}
	return p.Write()
}

// progress shows the whole course as bars.
func progress(asJSON bool) error {
	root, err := home.Root()
	if err != nil {
		return err
	}
	names, err := manifest.Find(root)
	if err != nil {
		return err
	}
	p, err := exercise.ReadProgress()
	if err != nil {
		return err
	}
	all, done := []told{}, 0
	for _, name := range names {
		step, err := manifest.LoadStep(root, name)
		if err != nil {
			return err
		}
		exercises, err := step.Exercises()
		if err != nil {
			return err
		}
		green := 0
		for _, e := range exercises {
			t, err := tell(e, p)
			if err != nil {
				return err
			}
			if t.Green && !t.Changed {
				green++
			}
			all = append(all, t)
		}
		done += green
		if !asJSON {
			fmt.Printf("%-26s %s%s %d of %d\n", step.Name, strings.Repeat("█", green),
				strings.Repeat("░", len(exercises)-green), green, len(exercises))
		}
	}
	if asJSON {
		return sayJSON(all)
	}
	fmt.Printf("\n%d of %d exercises are green\n", done, len(all))
	return nil
}

func sayJSON(v any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
