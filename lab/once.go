package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// watchOnce builds and runs a program that prints for people and ends. There are
// no orders and no servers, so nothing of the lab's own is on the screen: no
// names before the lines, no ledger, no keys. The program has the terminal.
func watchOnce(
	ctx context.Context, cmd *cli.Command, step *manifest.Step, args []string,
) (err error) {
	if err := checkOnceFlags(cmd, step); err != nil {
		return err
	}
	if _, err := step.Variant(cmd.String("variant")); err != nil {
		return err
	}
	run, err := home.Open("run " + step.Number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	bin, err := bench.Build(ctx, step, []string{cmd.String("variant")}, run.Dir(), false, run.Children)
	if err != nil {
		return err
	}
	cfg := bench.Config{Step: step, Run: run, Bin: bin, Variant: cmd.String("variant")}
	ended, err := bench.Once(ctx, cfg, os.Stdout, os.Stderr, 0, args...)
	if err == nil && ended.Code != 0 {
		return exitCode(ended.Code)
	}
	return err
}

// checkOnceFlags refuses what a program that runs once has nothing for.
func checkOnceFlags(cmd *cli.Command, step *manifest.Step) error {
	if _, once := step.Once(); !once {
		return nil
	}
	for _, name := range []string{"rate", "for", "work", "proxy", "svg"} {
		if cmd.IsSet(name) {
			return fmt.Errorf("-%s: %s is a program that runs once: there are no orders",
				name, step.Name)
		}
	}
	return nil
}
