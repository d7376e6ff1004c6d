package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// runOn hands a step over to its own program for an engine such as Kubernetes, which knows where its
// processes then are: nothing of them is the lab's. The program is in a module of its own, so that the
// step stays as light as it was.
func runOn(ctx context.Context, step *manifest.Step, engine string, args []string) (err error) {
	if step.Elsewhere == "" {
		return fmt.Errorf("%s runs on this machine only: its %s says nothing of elsewhere",
			step.Name, manifest.FileName)
	}
	there := &manifest.Step{
		Dir: filepath.Join(step.Dir, step.Elsewhere), Name: step.Name, Number: step.Number,
		Processes: []manifest.Process{{Name: "engine", Package: "./engine", Once: true}},
	}
	run, err := home.Open("run " + step.Number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	bin, err := bench.Build(ctx, there, []string{manifest.Right}, run.Dir(), false, run.Children)
	if err != nil {
		return err
	}
	return once(ctx, bench.Config{Step: there, Run: run, Bin: bin}, append([]string{"-on", engine}, args...))
}
