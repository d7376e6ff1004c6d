package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/bubbles/progress"

	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
	"course.example/lab/score/internal/score"
)

// tour is the way through all rows, with the time that is left.
type tour struct {
	rows    []tourRow
	opt     score.Options
	verbose bool
	keep    func() error
	started time.Time

	mu      sync.Mutex
	now     string
	planned time.Duration // of all rows
	left    time.Duration // of them, as planned
	begun   time.Time     // when left was right
	bar     progress.Model
}

type tourRow struct {
	step    *manifest.Step
	variant string
}

// aroundStep is what the compiler and the servers take.
const aroundStep = 8 * time.Second

func newTour(steps []*manifest.Step, variants bool, opt score.Options) *tour {
	t := &tour{opt: opt, bar: progress.New(progress.WithWidth(30), progress.WithSolidFill("4"))}
	for _, step := range steps {
		t.rows = append(t.rows, tourRow{step, manifest.Right})
		for _, v := range step.Variants {
			if variants && v.Name != manifest.Right {
				t.rows = append(t.rows, tourRow{step, v.Name})
			}
		}
	}
	t.planned = t.after(-1)
	return t
}

// after is how long the rows behind one of them take.
func (t *tour) after(i int) time.Duration {
	sum := time.Duration(0)
	for _, row := range t.rows[i+1:] {
		sum += aroundStep + score.Takes(row.step, t.opt)
	}
	return sum
}

func (t *tour) all(ctx context.Context, report *score.Report) error {
	t.started = time.Now()
	var errs []error
	for i, row := range t.rows {
		err := t.one(ctx, i, report)
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			// One architecture that does not start does not keep the others from it.
			errs = append(errs, fmt.Errorf("%s: %w", row.step.Name, err))
			continue
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// one measures a row on a stage of its own.
func (t *tour) one(ctx context.Context, i int, report *score.Report) (err error) {
	row := t.rows[i]
	st, err := stage.Open(ctx, "score "+row.step.Number)
	if err != nil {
		return err
	}
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, st.Close(closing)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if st.Screen.Interactive() {
		var group sync.WaitGroup
		live, end := context.WithCancel(closing)
		var screenErr error
		group.Go(func() {
			screenErr = st.Screen.Live(live, t.status, func(key string) {
				if key == "ctrl+c" || key == "q" {
					cancel()
				}
			})
			cancel()
		})
		defer func() {
			end()
			group.Wait()
			err = errors.Join(err, screenErr)
		}()
	}
	t.begin(row.step.Name+": compiling", t.after(i-1))
	if err := st.Prepare(ctx, row.step, []string{manifest.Right}, true, false); err != nil {
		return err
	}
	opt := t.opt
	opt.Say = func(l history.Line) {
		if t.verbose || l.Process == history.Lab {
			st.Screen.Record(l)
		}
		if t.verbose {
			st.Screen.Show(l)
		}
	}
	opt.Begin = func(what string, left time.Duration) {
		left += t.after(i)
		what = row.step.Name + ": " + what
		t.begin(what, left)
		if !st.Screen.Interactive() {
			st.Screen.Say("%s (about %v left)", what, t.remaining().Round(time.Second))
		}
	}
	measured, err := score.Measure(ctx, st, row.step, row.variant, opt)
	for _, line := range st.Describe() {
		measured.Servers = append(measured.Servers, strings.TrimSpace(line))
		break
	}
	if measured.Measured.IsZero() {
		measured.Measured = time.Now().UTC().Truncate(time.Second)
		measured.Problems = append(measured.Problems, "interrupted before the rest was measured")
	}
	report.Put(measured)
	return errors.Join(err, t.keep())
}

func (t *tour) begin(what string, left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.left, t.begun = what, left, time.Now()
}

// remaining is the plan for what is left, corrected by how well it has held so far.
func (t *tour) remaining() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.left
	if done := t.planned - t.left; done > 20*time.Second {
		took := t.begun.Sub(t.started)
		left = time.Duration(float64(left) * float64(took) / float64(done))
	}
	return max(0, left-time.Since(t.begun))
}

func (t *tour) status(int) string {
	left := t.remaining()
	passed := time.Since(t.started)
	t.mu.Lock()
	defer t.mu.Unlock()
	share := float64(passed) / float64(passed+left)
	line := fmt.Sprintf("%s  %v left  %s  (ctrl-c keeps what is done)",
		t.bar.ViewAs(share), left.Round(time.Second), t.now)
	return line // bubbletea cuts what is too long
}
