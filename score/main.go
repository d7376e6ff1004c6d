// Command score asks the four questions of every architecture, and answers with figures.
//
//	go run ./score           measure everything, and write the figures into the pages
//	go run ./score 03 07     measure two architectures, and show the table
//	go run ./score -publish  write the figures that are kept into the pages
//
// It is a program of its own beside the lab, on whose bench it runs the steps.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
	"course.example/lab/score/internal/score"
)

// errQuiet ends the program with code 1 when all there is to say has been said.
var errQuiet = errors.New("")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The first signal ends the measurement, and what was measured is kept. A second one ends
	// the program at once.
	context.AfterFunc(ctx, stop)
	if err := command().Run(ctx, os.Args); err != nil {
		if !errors.Is(err, errQuiet) {
			fmt.Fprintf(os.Stderr, "score: %v\n", err)
		}
		os.Exit(1)
	}
}

func command() *cli.Command {
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
		// Errors are printed once, in main, and decide the exit code there.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error {
			return fmt.Errorf("%w; go run ./score -h lists the flags", err)
		},
		Action: runScore,
	}
}

// To the library the 07 of "score 07 -h" is something to be explained.
func init() {
	cli.ShowCommandHelp = func(_ context.Context, cmd *cli.Command, _ string) error {
		return cli.ShowRootCommandHelp(cmd)
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
	scr := screen.New(nil)
	path := cmd.String("json")
	whole := path == "" && cmd.NArg() == 0 && !opt.Quick
	if whole {
		path = filepath.Join(root, "score", time.Now().Format(time.DateOnly)+".json")
		scr.Say("measuring everything for %s and the pages; git shows afterwards what has changed", path)
	}
	report, err := besides(path, opt.Quick)
	if err != nil {
		return err
	}
	report.Protocol, report.Machine, report.Quick = score.Protocol, score.ThisMachine(), opt.Quick
	t := newTour(steps, cmd.Bool("variants"), opt)
	t.verbose = cmd.Bool("v")
	err = measure(ctx, scr, t, report, path)
	if !whole {
		return err
	}
	if err != nil {
		scr.Print(fmt.Sprintf("what is missing: go run ./score -json %s STEP…, and then "+
			"go run ./score -publish writes the pages", path))
		return err
	}
	return publish(root)
}

// measure goes the tour, shows the table, and keeps the figures where they outlive the run and,
// with a path, there as well.
func measure(
	ctx context.Context, scr *screen.Screen, t *tour, report *score.Report, path string,
) error {
	last, err := stage.LastDir("score")
	if err != nil {
		return err
	}
	scr.Say("measuring the load generator against a handler that does nothing")
	report.Generator, err = score.Calibrate(ctx, t.opt.Calibration())
	if err != nil {
		return err
	}
	t.opt.Generator = report.Generator
	t.keep = func() error { // after every row: whatever comes, that is safe
		err := keep(report, filepath.Join(last, "score.json"))
		if path != "" {
			err = errors.Join(err, report.Save(path))
		}
		return err
	}
	err = t.all(ctx, report)
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
	switch {
	case err != nil || len(report.Rows) == 0:
	case report.Quick != quick:
		return nil, fmt.Errorf("%s: figures with -quick and without it do not belong in one table: "+
			"name another file", path)
	case report.Protocol != score.Protocol:
		return nil, fmt.Errorf("%s: its figures were measured by protocol %d, which is not that of "+
			"today, %d: name another file", path, report.Protocol, score.Protocol)
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
	if err := report.Explain(root); err != nil {
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
	for _, o := range report.Oddities() {
		if o.Why == "" {
			fmt.Printf("odd, without a sentence under odd: in its lab.yaml: %s, %s: %s\n",
				o.Row, o.Column, o.What)
		}
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
