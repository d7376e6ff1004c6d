package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"course.example/lab/internal/draw"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// Options are the same for all experiments of a run.
type Options struct {
	Seed uint64
	Show func(history.Line)
	Done func(Result)
	// Shared says that no server is broken, so that others may use it at the same time.
	Shared bool
}

// RunAll carries experiments out one after the other, on servers of their own,
// each in its own vhost or database. It returns what it has when ctx ends.
func RunAll(
	ctx context.Context, st *stage.Stage, step *manifest.Step,
	experiments []manifest.Experiment, opt Options,
) ([]Result, error) {
	if err := Prepare(ctx, st, step, experiments); err != nil {
		return nil, err
	}
	var results []Result
	for _, e := range experiments {
		r, err := Next(ctx, st, step, e, opt)
		if err != nil {
			return results, err
		}
		results = append(results, r)
		if opt.Done != nil {
			opt.Done(r)
		}
	}
	return results, nil
}

// Prepare builds what the experiments of a step run, and provides servers that they may break.
func Prepare(
	ctx context.Context, st *stage.Stage, step *manifest.Step, experiments []manifest.Experiment,
) error {
	variants := manifest.VariantsOf(experiments)
	return st.Prepare(ctx, step, variants, true, slices.ContainsFunc(experiments,
		func(e manifest.Experiment) bool { return e.Faults.NeedsProxy() }))
}

// Next carries the next experiment out on a stage that was prepared for it.
func Next(
	ctx context.Context, st *stage.Stage, step *manifest.Step, e manifest.Experiment, opt Options,
) (r Result, err error) {
	needs, err := step.ServersOf(e)
	if err == nil {
		err = st.Use(ctx, needs, !opt.Shared)
	}
	if err != nil {
		return r, fmt.Errorf("experiment %s: %w", e.Name, err)
	}
	cfg, cleanup, err := st.Config(ctx, step, e.Name, true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, cleanup(context.WithoutCancel(ctx))) }()
	cfg.Seed, cfg.Show, cfg.Proxy = opt.Seed, opt.Show, e.Faults.NeedsProxy()
	return Run(ctx, cfg, e)
}

// Keep writes down all that is known of an experiment that went wrong: the lines of the processes,
// the history and its picture. It returns the folder.
func Keep(r Result, step *manifest.Step, lines []string) (dir string, err error) {
	dir, err = stage.LastDir("red", filepath.FromSlash(step.Name), r.Name)
	if err != nil {
		return "", err
	}
	history, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "history.json"), history, 0o644)
	}
	log := strings.Join(append(lines, ""), "\n")
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "processes.log"), []byte(log), 0o644))
	if err == nil && !r.History.Started.IsZero() {
		err = Draw(filepath.Join(dir, "picture.svg"), r)
	}
	if err != nil {
		return dir, fmt.Errorf("keep what is known of %s: %w", r.Name, err)
	}
	return dir, nil
}

// Draw draws what happened in an experiment into an SVG file.
func Draw(path string, r Result) error {
	picture, err := r.picture()
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", r.Name, err)
	}
	return nil
}

func (r Result) picture() ([]byte, error) {
	var b bytes.Buffer
	title := fmt.Sprintf("%s: %s", r.History.Step, r.Experiment.About)
	err := draw.Run(&b, r.History, title, r.Caption())
	return b.Bytes(), err
}

// CheckPicture draws the run and compares the marks of the picture with the figures of the
// verdict. Programs that run once have no picture. Where log and book differ, the picture is of the
// log, and says below in what the book differs.
func (r Result) CheckPicture() error {
	if r.History.Started.IsZero() || r.Differs != "" {
		return nil
	}
	picture, err := r.picture()
	if err != nil {
		return err
	}
	marks, err := draw.Marks(picture)
	if err != nil {
		return err
	}
	var wrong []error
	for _, f := range r.drawn() {
		if marks[f.class] != f.count {
			wrong = append(wrong, fmt.Errorf("the picture of %s shows %d %s, and it was %d",
				r.Name, marks[f.class], f.class, f.count))
		}
	}
	return errors.Join(wrong...)
}

type drawnFigure struct {
	class string // of the marks
	count int
}

// drawn are the figures that a picture shows, by the class of their marks.
func (r Result) drawn() []drawnFigure {
	l := r.Ledger
	return []drawnFigure{
		{"accepted", l.Accepted}, {"processed", l.Processed}, {"failed", l.Failed},
		{"lost", r.Lost}, {"duplicated", l.Duplicated}, {"ghosts", l.Ghosts},
		{"contradictions", l.Contradictions}, {"reused", l.Reused}, {"refused", r.Refused},
		{"received", l.Deliveries},
	}
}
