package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/bubbles/progress"
	"github.com/urfave/cli/v3"

	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/score"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
)

func scoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "score",
		Usage:     "ask the four questions of every architecture, and measure the answers",
		ArgsUsage: "[STEP…]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick",
				Usage: "measure for a shorter time and each thing once, without restarts and deep queues"},
			&cli.BoolFlag{Name: "variants", Usage: "measure the wrong variants as well"},
			&cli.StringFlag{Name: "json",
				Usage: "keep the figures in `FILE`, beside those of other steps that it has"},
			&cli.BoolFlag{Name: "publish",
				Usage: "measure nothing: write the newest score/*.json into the READMEs"},
			&cli.Uint64Flag{Name: "seed", Usage: "`SEED` of what is left to chance"},
			&cli.BoolFlag{Name: "v", Usage: "show the warnings of the processes"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return runScore(ctx, cmd)
		},
	}
}

func runScore(ctx context.Context, cmd *cli.Command) error {
	root, err := home.Root()
	if err != nil {
		return err
	}
	if cmd.Bool("publish") {
		return publish(root)
	}
	steps, err := scoredSteps(root, cmd.Args().Slice())
	if err != nil {
		return err
	}
	opt := score.Options{Quick: cmd.Bool("quick"), Seed: cmd.Uint64("seed")}
	if !cmd.IsSet("seed") {
		opt.Seed = rand.Uint64N(1_000_000)
	}
	last, err := stage.LastDir("score")
	if err != nil {
		return err
	}
	report, err := besides(cmd.String("json"), opt.Quick)
	if err != nil {
		return err
	}
	report.Machine, report.Quick = score.ThisMachine(), opt.Quick
	tour := newTour(steps, cmd.Bool("variants"), opt)
	tour.verbose = cmd.Bool("v")

	scr := screen.New(nil)
	scr.Say("measuring the load generator against a handler that does nothing")
	report.Generator, err = score.Calibrate(ctx, opt.Calibration())
	if err != nil {
		return err
	}
	tour.opt.Generator = report.Generator
	tour.keep = func() error { // after every row: whatever comes, that is safe
		err := keep(report, filepath.Join(last, "score.json"))
		if path := cmd.String("json"); path != "" {
			err = errors.Join(err, report.Save(path))
		}
		return err
	}
	err = tour.all(ctx, report)
	if len(report.Rows) == 0 {
		return err
	}
	scr.Print("\n" + report.Terminal(scr.Colour()))
	scr.Print("the figures, the table and the pictures: " + filepath.Join(last, "score.*"))
	if errors.Is(err, context.Canceled) {
		scr.Print("interrupted: what was measured until then is kept")
		return errQuiet
	}
	return err
}

// besides is the report that the figures are put into: what the file has already.
func besides(path string, quick bool) (*score.Report, error) {
	if path == "" {
		return &score.Report{}, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &score.Report{}, nil
	}
	report, err := score.Load(path)
	if err == nil && len(report.Rows) > 0 && report.Quick != quick {
		return nil, fmt.Errorf("%s: figures with -quick and without it do not belong in one table: "+
			"name another file", path)
	}
	return report, err
}

// publish writes the newest figures that are kept in the repository into its pages.
func publish(root string) error {
	path, err := score.Newest(filepath.Join(root, "score"))
	if err != nil {
		return err
	}
	report, err := score.Load(path)
	if err != nil {
		return err
	}
	if err := report.Publish(root); err != nil {
		return err
	}
	last, err := stage.LastDir("score")
	if err != nil {
		return err
	}
	fmt.Println("the pages tell of", path)
	missing, err := report.Missing(root)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Println("which lacks:", strings.Join(missing, ", "))
	}
	fmt.Println("the pictures:", filepath.Join(last, "score.html"))
	return keep(report, filepath.Join(last, "score.json"))
}

// keep writes the figures, and beside them the table and the pictures.
func keep(report *score.Report, path string) (err error) {
	if err := report.Save(path); err != nil {
		return err
	}
	table := strings.TrimSuffix(path, ".json") + ".md"
	if err := os.WriteFile(table, []byte(report.Markdown()), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	page, err := os.Create(strings.TrimSuffix(path, ".json") + ".html")
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	return report.HTML(page)
}

// scoredSteps are those that were named, or those with a score section.
func scoredSteps(root string, names []string) ([]*manifest.Step, error) {
	var steps []*manifest.Step
	for _, name := range names {
		step, err := manifest.LoadStep(root, name)
		if err != nil {
			return nil, err
		}
		if _, once := step.Once(); once {
			return nil, fmt.Errorf("%s takes no orders: there is nothing to score", step.Name)
		}
		steps = append(steps, step)
	}
	if len(names) > 0 {
		return steps, nil
	}
	all, err := manifest.Find(root)
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		dirs := []string{name}
		parts, err := manifest.Parts(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			dirs = append(dirs, name+"/"+part)
		}
		for _, dir := range dirs {
			step, err := manifest.LoadStep(root, dir)
			if err != nil {
				return nil, err
			}
			if step.Score != nil {
				steps = append(steps, step)
			}
		}
	}
	return steps, nil
}

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
	if err := st.Prepare(ctx, row.step, true, false); err != nil {
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
