package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/suite"
)

// testReport says how lab test comes along, and what came of it.
type testReport struct {
	screen  *screen.Screen
	verbose bool
	began   time.Time

	mu      sync.Mutex
	tests   *suite.Suite
	expect  map[string]time.Duration // by name of the package; of those that have not ended
	total   int                      // packages of this round
	done    int
	seed    uint64
	rounds  int
	times   map[string]float64 // seconds, by name of the package
	slowest []slowTest
	cpu     time.Duration
	passed  int                 // tests, subtests included
	reds    map[string][]uint64 // the seeds of the rounds in which a test was red
	errs    []string            // what else is wrong: one line each
}

type slowTest struct {
	name string
	took time.Duration
}

func newTestReport(scr *screen.Screen, verbose bool) *testReport {
	return &testReport{
		screen: scr, verbose: verbose, began: time.Now(),
		times: map[string]float64{}, reds: map[string][]uint64{},
	}
}

// begin begins another round.
func (r *testReport) begin(tests *suite.Suite, packages []suite.Package, seed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tests, r.total, r.done, r.seed = tests, len(packages), 0, seed
	r.rounds++
	r.expect = map[string]time.Duration{}
	for _, p := range packages {
		r.expect[p.Path] = p.Expect
	}
}

// notBuilt takes note of a package whose tests do not compile.
func (r *testReport) notBuilt(p suite.Package, err error) {
	r.screen.Print(fmt.Sprintf("%s %s: %v", r.screen.Red("FAILED"), p.Name, err))
	r.fail(p.Name + ": does not compile")
}

// leftOut takes note of a module that cannot be tested at all.
func (r *testReport) leftOut(name string, err error) {
	r.screen.Print(fmt.Sprintf("%s %s: %v", r.screen.Red("FAILED"), name, err))
	r.fail(name + ": cannot be tested")
}

func (r *testReport) fail(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, line)
}

// checked takes note of a check of the code.
func (r *testReport) checked(c check, err error) {
	if err == nil {
		r.screen.Say("ok      %s", c.name)
		return
	}
	r.screen.Print(fmt.Sprintf("%s %s: %v", r.screen.Red("FAILED"), c.name, err))
	r.fail(c.name)
}

// ended takes note of the tests of a package.
func (r *testReport) ended(result suite.Result) {
	r.mu.Lock()
	delete(r.expect, result.Package.Path)
	r.done++
	r.cpu += result.CPU
	r.times[result.Package.Name] = result.Took.Seconds()
	for _, t := range result.Tests {
		r.slowest = append(r.slowest, slowTest{result.Package.Name + " " + t.Name, t.Took})
		if !t.Failed {
			r.passed++
		}
	}
	r.slowest = slowest(r.slowest, 20)
	progress := fmt.Sprintf("%d of %d, about %s to go", r.done, r.total, r.left())
	if result.Err != nil {
		r.red(result)
	}
	r.mu.Unlock()
	if r.verbose {
		r.screen.Print(readAll(result.Log))
	} else if result.Err != nil {
		r.screen.Print(complaint(result))
	}
	word := "ok     "
	if result.Err != nil {
		word = r.screen.Red("FAILED ")
	}
	r.screen.Say("%s %-28s %6.1f s, %5.1f s of a processor   (%s)", word, result.Package.Name,
		result.Took.Seconds(), result.CPU.Seconds(), progress)
}

// red is called with the lock held.
func (r *testReport) red(result suite.Result) {
	for _, t := range result.Red {
		name := result.Package.Name + " " + t.Name
		r.reds[name] = append(r.reds[name], r.seed)
	}
	if len(result.Red) == 0 {
		name := result.Package.Name + " (no test of its own)"
		r.reds[name] = append(r.reds[name], r.seed)
	}
}

func readAll(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// complaint is what a person must see of tests that failed: what the failed ones printed, or,
// when none did, the last that the program said.
func complaint(result suite.Result) string {
	var lines []string
	for _, t := range result.Red {
		lines = append(lines, "--- "+result.Package.Name+" "+t.Name)
		lines = append(lines, t.Output...)
	}
	if len(result.Red) == 0 {
		lines = append(lines, result.Last...)
	}
	return strings.Join(append(lines,
		fmt.Sprintf("%s: %v; all of its output: %s", result.Package.Name, result.Err, result.Log),
	), "\n")
}

// slowest keeps the n tests that took longest, without those of whose time another one, a subtest
// of theirs, is the most.
func slowest(all []slowTest, n int) []slowTest {
	slices.SortFunc(all, func(a, b slowTest) int {
		return cmp.Or(cmp.Compare(b.took, a.took), strings.Compare(a.name, b.name))
	})
	return all[:min(len(all), n)]
}

// left is about how long this round will still take. It is called with the lock held.
func (r *testReport) left() time.Duration {
	var sum, longest time.Duration
	expect := maps.Clone(r.expect)
	running, _ := r.tests.Now()
	for _, p := range running {
		expect[p.Package.Path] = max(0, expect[p.Package.Path]-time.Since(p.Since))
	}
	for _, d := range expect {
		sum, longest = sum+d, max(longest, d)
	}
	places := max(len(running), 1)
	return max(longest, sum/time.Duration(places)).Round(10 * time.Second)
}

// watch does something and says meanwhile how far it is: in a status line where there is a
// terminal, twice a minute where there is none.
func (r *testReport) watch(ctx context.Context, do func(context.Context)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel(nil)
		do(ctx)
	}()
	if r.screen.Interactive() {
		err := r.screen.Live(ctx, r.status, func(key string) {
			if key == "ctrl+c" || key == "q" {
				cancel(errInterrupted)
			}
		})
		<-done
		if cause := context.Cause(ctx); errors.Is(cause, errInterrupted) {
			err = errors.Join(cause, err)
		}
		return err
	}
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
			r.screen.Say("%s", r.status(0))
		}
	}
}

var errInterrupted = errors.New("interrupted")

// status says what is being tested. A width of 0 is any.
func (r *testReport) status(width int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	running, _ := r.tests.Now()
	var all []string
	for _, p := range running {
		all = append(all, fmt.Sprintf("%s %s (%.0f s)",
			strings.TrimPrefix(p.Package.Path, "course.example/"), p.Test,
			time.Since(p.Since).Seconds()))
	}
	text := fmt.Sprintf("%d of %d, about %s to go; running: %s",
		r.done, r.total, r.left(), strings.Join(all, ", "))
	if runes := []rune(text); width > 0 && len(runes) > width {
		text = string(runes[:width-1]) + "…"
	}
	return text
}

// end prints the account of all rounds and returns an error when anything was red.
func (r *testReport) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := time.Since(r.began)
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	add("\nthe twenty slowest tests")
	for _, t := range r.slowest {
		add("  %6.1f s  %s", t.took.Seconds(), t.name)
	}
	add("\n%d packages in %s, %.1f of %.1f core-minutes used by tests", r.total,
		took.Round(time.Second), r.cpu.Minutes(), took.Minutes()*float64(runtime.NumCPU()))
	if len(r.reds) > 0 {
		add("\nred, with the seeds of the rounds (%d rounds)", r.rounds)
	}
	for _, name := range slices.Sorted(maps.Keys(r.reds)) {
		add("  %d×  %s  seeds %s", len(r.reds[name]), name,
			strings.Trim(fmt.Sprint(r.reds[name]), "[]"))
	}
	for _, line := range r.errs {
		add("  %s", line)
	}
	failed := len(r.reds) + len(r.errs)
	add("\n%d passed, %d failed", r.passed, failed)
	r.screen.Print(strings.Join(lines, "\n"))
	if failed > 0 {
		return fmt.Errorf("%d tests and checks failed", failed)
	}
	return nil
}

// readTimes returns how long the packages took in the last run, by name, in seconds.
func readTimes() (map[string]float64, error) {
	times := map[string]float64{}
	path, err := lastTimes()
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return times, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &times)
	}
	if err != nil {
		return nil, fmt.Errorf("read the times of the last run: %w", err)
	}
	return times, nil
}

// saveTimes keeps the times for the next run.
func (r *testReport) saveTimes() error {
	times, err := readTimes()
	if err != nil {
		return err
	}
	r.mu.Lock()
	maps.Copy(times, r.times)
	r.mu.Unlock()
	path, err := lastTimes()
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(times, "", " ")
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the times of this run: %w", err)
	}
	return nil
}

// usual is how long the tests of those packages take that have no experiments and wait for servers
// or browsers all the same: on two cores, rounded.
var usual = map[string]time.Duration{
	"lab/services": 130 * time.Second, "score/internal/score": 45 * time.Second,
	"lab/internal/experiment": 20 * time.Second, "12-actors/dashboard": 20 * time.Second,
}

// expected is how long the tests of a package may take: as long as the last time, or as long as
// the experiments of a step say, whose customers come for a while.
func expected(root string, p suite.Package, times map[string]float64) time.Duration {
	if seconds, known := times[p.Name]; known {
		return time.Duration(seconds * float64(time.Second))
	}
	if took, known := usual[p.Name]; known {
		return took
	}
	step, err := manifest.Read(filepath.Join(root, filepath.FromSlash(p.Name)))
	if err != nil { // a package without experiments
		return 5 * time.Second
	}
	sum := 20 * time.Second // to build its programs and to run its page
	for _, e := range step.Experiments {
		if !e.Long && !e.Soak {
			sum += e.Load.For.Std() + 2*time.Second
		}
	}
	return sum
}
