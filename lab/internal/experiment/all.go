package experiment

import (
	"context"
	"errors"
	"strings"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// Options are the same for all experiments of a run.
type Options struct {
	Seed uint64
	Show func(bench.Line)
	Done func(Result)
}

// RunAll carries experiments out one after the other, on servers of their own,
// each in its own vhost or database. It returns what it has when ctx ends.
func RunAll(
	ctx context.Context, st *stage.Stage, step *manifest.Step,
	experiments []manifest.Experiment, opt Options,
) ([]Result, error) {
	wire := false
	for _, e := range experiments {
		wire = wire || needsWire(e)
	}
	if err := st.Prepare(ctx, step, true, wire); err != nil {
		return nil, err
	}
	var results []Result
	for _, e := range experiments {
		r, err := runNext(ctx, st, step, e, opt)
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

func runNext(
	ctx context.Context, st *stage.Stage, step *manifest.Step, e manifest.Experiment, opt Options,
) (r Result, err error) {
	cfg, cleanup, err := st.Config(ctx, step, e.Name, true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, cleanup(context.WithoutCancel(ctx))) }()
	cfg.Seed, cfg.Show, cfg.Proxy = opt.Seed, opt.Show, needsWire(e)
	return Run(ctx, cfg, e)
}

// needsWire says whether the faults of an experiment are on the network.
func needsWire(e manifest.Experiment) bool {
	for _, entry := range e.Faults {
		for _, act := range entry.Acts {
			switch word, _, _ := strings.Cut(act, " "); word {
			case "cut", "heal", "slow":
				return true
			}
		}
	}
	return false
}
