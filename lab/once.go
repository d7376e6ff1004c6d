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
	"course.example/lab/internal/stage"
)

// watchOnce builds and runs a program that prints for people and ends. There are
// no orders, so nothing of the lab's own is on the screen: no names before the
// lines, no ledger, no keys. The program has the terminal. Servers that it needs
// are started before it and stopped after it.
func watchOnce(
	ctx context.Context, cmd *cli.Command, step *manifest.Step, args []string,
) (err error) {
	if err := checkOnceFlags(cmd, step); err != nil {
		return err
	}
	if _, err := step.Variant(cmd.String("variant")); err != nil {
		return err
	}
	if len(step.Needs) > 0 {
		return watchWithServers(ctx, cmd.String("variant"), step, args)
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
	return once(ctx, bench.Config{Step: step, Run: run, Bin: bin, Variant: cmd.String("variant")}, args)
}

func once(ctx context.Context, cfg bench.Config, args []string) error {
	ended, err := bench.Once(ctx, cfg, os.Stdout, os.Stderr, 0, args...)
	if err == nil && ended.Code != 0 {
		return exitCode(ended.Code)
	}
	return err
}

func watchWithServers(
	ctx context.Context, variant string, step *manifest.Step, args []string,
) (err error) {
	st, err := stage.Open(ctx, "run "+step.Number)
	if err != nil {
		return err
	}
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, st.Close(closing)) }()
	st.Screen.Plain()
	if step.Needs, err = step.ServersOf(manifest.Experiment{Variant: variant}); err != nil {
		return err
	}
	if err := st.Prepare(ctx, step, []string{variant}, false, false); err != nil {
		return err
	}
	cfg, cleanup, err := st.Config(ctx, step, "run-"+step.Number, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanup(closing)) }()
	cfg.Variant = variant
	return once(ctx, cfg, args)
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
