package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/control"
	"course.example/lab/internal/home"
)

func doCommand() *cli.Command {
	return &cli.Command{
		Name:      "do",
		Usage:     "act on a run in another terminal: lab do kill consumer-1",
		ArgsUsage: "ACT",
		Description: "What a run can be told to do:\n" + bench.Acts +
			"\n  quit                       drain and end the run",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "which `RUN`, where there are several"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			act := strings.Join(cmd.Args().Slice(), " ")
			if act == "" {
				return fmt.Errorf("what is to be done?\n%s", bench.Acts)
			}
			run, err := findRun(cmd.String("run"))
			if err != nil {
				return err
			}
			done, err := control.Do(ctx, run, act)
			if err == nil {
				fmt.Println("▶ " + done)
			}
			return err
		},
	}
}

// findRun returns the run of a step that is going on, or the one that was named
// when there are several.
func findRun(name string) (home.Record, error) {
	live, err := home.Live()
	if err != nil {
		return home.Record{}, err
	}
	var found []home.Record
	for _, r := range live {
		number, _, _ := strings.Cut(r.Step, "-")
		if r.Control != "" && (name == "" || name == r.ID || name == r.Step || name == number) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if name != "" {
			return home.Record{}, fmt.Errorf("no run %q is going on", name)
		}
		return home.Record{}, errors.New(
			"no run is going on: start one in another terminal, for example make run-07")
	}
	text := "several runs are going on; say which with -run:"
	for _, r := range found {
		text += fmt.Sprintf("\n  -run %s   %s", r.ID, r.Step)
	}
	return home.Record{}, errors.New(text)
}
