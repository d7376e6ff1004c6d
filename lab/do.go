package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/act"
	"course.example/lab/internal/control"
	"course.example/lab/internal/home"
)

// quit is what a run can be told to do besides the acts: to end.
const quit = "\n  quit                       drain and end the run"

func doCommand() *cli.Command {
	first := 1 // what stands behind the act is its own: -h, -1
	return &cli.Command{
		Name:      "do",
		Usage:     "act on a run in another terminal: lab do kill consumer-1",
		ArgsUsage: "ACT",
		Description: "What a run can be told to do:\n" + act.Help() + quit +
			"\n\nOf one act tell more: go run ./lab do help kill",
		StopOnNthArg:    &first,
		HideHelpCommand: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "which `RUN`, where there are several"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			words := cmd.Args().Slice()
			if i := slices.IndexFunc(words, asksForHelp); i >= 0 {
				return manual(ctx, cmd, slices.Delete(words, i, i+1))
			}
			// That an act is unknown is said before a run is looked for.
			_, _, err := act.Parse(strings.Join(words, " "))
			if err != nil && !slices.Equal(words, []string{"quit"}) {
				return err
			}
			run, err := findRun(cmd.String("run"))
			if err != nil {
				return err
			}
			done, err := control.Do(ctx, run, strings.Join(words, " "))
			if err == nil {
				fmt.Println("▶ " + done)
			}
			return err
		},
	}
}

func asksForHelp(word string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, word)
}

// manual shows the help of the act that stands among the words, or of the whole command.
func manual(ctx context.Context, cmd *cli.Command, words []string) error {
	if len(words) > 0 {
		if a, err := act.Find(words[0]); err == nil {
			_, err = fmt.Fprintln(cmd.Root().Writer, a.Manual())
			return err
		}
	}
	return cli.ShowCommandHelp(ctx, cmd, cmd.Name)
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
