package experiment

import (
	"context"
	"fmt"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/figure"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/pace"
)

// runOnce runs a program that prints and ends, and judges how it ended and what
// it printed. There are no orders, and so there is no ledger.
func runOnce(ctx context.Context, cfg bench.Config, e manifest.Experiment) (Result, error) {
	r := Result{Experiment: e, Name: e.Name, Variant: e.Variant, Seed: cfg.Seed}
	cfg.Variant, cfg.Env = e.Variant, e.Env
	meter := pace.Start(ctx)
	ended, lines, err := bench.OnceLines(ctx, cfg, e.Limit.Std())
	r.Slow = meter.Stop()
	if err != nil || ctx.Err() != nil {
		return r.failed(ctx, err)
	}
	r.Once = &figure.Once{Exit: ended.Code, Took: ended.Took, Lines: lines}
	if ended.Killed {
		r.Once.Took = -1
	}
	r.check()
	return r, nil
}

// ended says how a program ended: "exit 0 after 0.1 s".
func ended(o *figure.Once) (exit, took string) {
	if o.Took < 0 {
		return "killed", "never"
	}
	return fmt.Sprint(o.Exit), fmt.Sprintf("%.1f s", o.Took.Seconds())
}

// last are the last lines that it printed, enough to see what went wrong.
func last(o *figure.Once) []string { return o.Lines[max(0, len(o.Lines)-20):] }
