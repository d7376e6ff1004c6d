// Package exercise judges what a student has done: by experiments with the student's programs, by
// tests, by a prediction that is compared with a run, or by an answer.
package exercise

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/experiment"
	"course.example/lab/internal/figure"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/mutant"
	"course.example/lab/internal/stage"
)

// Files in which students write what they foretell, and what they have found.
const (
	PredictionFile = "prediction.yaml"
	AnswerFile     = "answer.txt"
)

// testLimit bounds the tests of an exercise.
const testLimit = 2 * time.Minute

// Verdict is what the judge says.
type Verdict struct {
	Green bool `json:"green"`
	// Why says in a sentence what is wrong, or what was seen.
	Why string `json:"why"`
	// More is what a student may want to read besides.
	More []string `json:"more,omitempty"`
}

func red(format string, args ...any) Verdict {
	return Verdict{Why: fmt.Sprintf(format, args...)}
}

// Judge judges on a stage, one exercise at a time.
type Judge struct {
	Stage *stage.Stage
	Seed  uint64
	// Solution has the solution judged, rather than what the student has done.
	Solution bool
}

// Judge judges one exercise. What is wrong with it is a verdict; an error says that it could not be
// judged.
func (j Judge) Judge(ctx context.Context, e *manifest.Exercise) (Verdict, error) {
	switch {
	case e.Tests:
		return j.tests(ctx, e)
	case e.Predict != nil:
		return j.prediction(ctx, e)
	case e.Answer != nil:
		return j.answer(e)
	default:
		return j.experiments(ctx, e)
	}
}

// experiments carries the experiments out with the student's programs.
func (j Judge) experiments(ctx context.Context, e *manifest.Exercise) (Verdict, error) {
	step, experiments, err := e.Run(j.Solution)
	if err != nil {
		return Verdict{}, err
	}
	for _, folder := range e.Programs {
		wrong, err := j.compile(ctx, e, filepath.Join(e.Folder(j.Solution), folder))
		if err != nil || wrong != "" {
			return red("it does not compile: %s", wrong), err
		}
	}
	results, err := j.run(ctx, step, experiments)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Green: true}
	for _, r := range results {
		if r.Held() {
			continue
		}
		complaints := r.Complaints()
		if v.Green {
			v = red("%s", firstLine(complaints))
		}
		v.More = append(v.More, complaints...)
	}
	if v.Green {
		v.Why = fmt.Sprintf("it holds in: %s", strings.Join(namesOf(experiments), ", "))
	}
	return v, nil
}

// run carries experiments out until one does not hold.
func (j Judge) run(
	ctx context.Context, step *manifest.Step, experiments []manifest.Experiment,
) ([]experiment.Result, error) {
	proxy, shared := false, true
	for _, e := range experiments {
		proxy = proxy || e.Faults.NeedsProxy()
		shared = shared && !step.BreaksServers(e)
	}
	err := j.Stage.Prepare(ctx, step, manifest.VariantsOf(experiments), !shared, proxy)
	if err != nil {
		return nil, err
	}
	var results []experiment.Result
	for _, e := range experiments {
		r, err := experiment.Next(ctx, j.Stage, step, e, experiment.Options{
			Seed: j.Seed, Shared: shared, Show: func(l history.Line) { j.Stage.Screen.Record(l) },
		})
		if err != nil {
			return nil, err
		}
		if results = append(results, r); !r.Held() {
			break
		}
	}
	return results, nil
}

// compile says what is wrong with a folder's program, if anything.
func (j Judge) compile(ctx context.Context, e *manifest.Exercise, dir string) (string, error) {
	within, err := filepath.Rel(e.Step.Dir, dir)
	if err != nil {
		return "", fmt.Errorf("find the exercise: %w", err)
	}
	test := mutant.GoTest{Dir: e.Step.Dir, Record: j.Stage.Run.Children}
	wrong, err := test.Compile(ctx, "./"+filepath.ToSlash(within))
	return compilerLine(wrong), err
}

// tests runs the tests of the exercise's folder.
func (j Judge) tests(ctx context.Context, e *manifest.Exercise) (v Verdict, err error) {
	within, err := filepath.Rel(e.Step.Dir, e.Dir)
	if err != nil {
		return v, fmt.Errorf("find the exercise: %w", err)
	}
	test := mutant.GoTest{
		Dir: e.Step.Dir, Package: "./" + filepath.ToSlash(within), Flags: "-tags=exercise",
		Limit: testLimit, Record: j.Stage.Run.Children,
	}
	if j.Solution {
		overlay, remove, err := overlay(e)
		if err != nil {
			return v, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		test.Overlay = overlay
	}
	report, err := test.Run(ctx)
	if err != nil {
		return v, err
	}
	switch {
	case !report.Built:
		return red("it does not compile: %s", compilerLine(report.Output)), nil
	case report.Hung:
		v = red("%s never ends: it was given %v", strings.Join(report.Failed, ", "), testLimit)
	case report.Passed && len(report.Ran) > 0:
		return Verdict{Green: true, Why: fmt.Sprintf("%d tests pass", len(report.Ran))}, nil
	case report.Passed:
		return v, fmt.Errorf("%s has no test that could judge it", e.Name)
	default:
		v = red("%s", testLine(report))
	}
	v.More = said(report.Output)
	return v, nil
}

// said is what tests say, without what package testing says around it.
func said(output string) []string {
	var lines []string
	for line := range strings.Lines(output) {
		if testSays.MatchString(line) || strings.HasPrefix(strings.TrimSpace(line), "--- FAIL") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// overlay writes for the compiler what files of the solution take the place of the student's.
func overlay(e *manifest.Exercise) (path string, remove func() error, err error) {
	replace, err := e.Replace()
	if err != nil {
		return "", nil, err
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, fmt.Errorf("write the overlay: %w", err)
	}
	dir, err := os.MkdirTemp("", "exercise")
	if err != nil {
		return "", nil, fmt.Errorf("write the overlay: %w", err)
	}
	path = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		return "", nil, errors.Join(fmt.Errorf("write the overlay: %w", err), os.RemoveAll(dir))
	}
	return path, func() error { return os.RemoveAll(dir) }, nil
}

// prediction carries the experiment out and compares it with what was foretold.
func (j Judge) prediction(ctx context.Context, e *manifest.Exercise) (Verdict, error) {
	path := filepath.Join(e.Folder(j.Solution), PredictionFile)
	said, wrong, err := readPrediction(path, e.Predict)
	if err != nil || wrong != "" {
		return red("%s", wrong), err
	}
	one, err := e.Step.Experiment(e.Predict.Experiment)
	if err != nil {
		return Verdict{}, err
	}
	results, err := j.run(ctx, e.Step, []manifest.Experiment{one})
	if err != nil {
		return Verdict{}, err
	}
	r := results[0]
	if r.Error != "" || r.NotRun != "" {
		return Verdict{}, errors.New(firstLine(r.Complaints()))
	}
	return compare(e.Predict, said, &r.Facts, r.TooSlow())
}

// compare says which of the figures were foretold. Of what depends on the machine, nobody can
// tell when that was too slow.
func compare(
	p *manifest.Prediction, said map[string]float64, facts *figure.Facts, tooSlow string,
) (Verdict, error) {
	v := Verdict{Green: true}
	var saw, wrong []string
	for _, name := range slices.Sorted(keys(said)) {
		f, of, _ := figure.Find(name)
		was, err := f.Value(facts, figure.Ask{Name: of})
		if err != nil {
			return v, fmt.Errorf("%s: %w", name, err)
		}
		saw = append(saw, fmt.Sprintf("%s %s", name, f.Rule.Format(was)))
		switch {
		case p.Near(name, said[name], was):
		case f.Machine && tooSlow != "":
			wrong = append(wrong, fmt.Sprintf("whether %s is %s is unknown (it was %s): %s", name,
				f.Rule.Format(said[name]), f.Rule.Format(was), tooSlow))
		default:
			wrong = append(wrong, fmt.Sprintf("you said %s %s, and it was %s", name,
				f.Rule.Format(said[name]), f.Rule.Format(was)))
		}
	}
	if len(wrong) > 0 {
		return Verdict{Why: strings.Join(wrong, "; "), More: saw}, nil
	}
	v.Why = "as foretold: " + strings.Join(saw, ", ")
	return v, nil
}

// readPrediction reads lines such as "lost: 3". The second value says what the student still has to
// do.
func readPrediction(path string, p *manifest.Prediction) (map[string]float64, string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, PredictionFile + " is missing: write down there what you expect", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the prediction: %w", err)
	}
	said := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		name, value, ok := strings.Cut(text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "" && !ok {
			continue
		}
		if _, asked := p.Within[name]; !asked {
			return nil, fmt.Sprintf("%s:%d: nobody has asked for %q", PredictionFile, n, name), nil
		}
		var number float64
		if _, err := fmt.Sscanf(value, "%g", &number); err != nil {
			return nil, fmt.Sprintf("%s:%d: write a number behind %s", PredictionFile, n, name), nil
		}
		said[name] = number
	}
	for _, name := range slices.Sorted(keys(p.Within)) {
		if _, ok := said[name]; !ok {
			return nil, fmt.Sprintf("%s says nothing of %s", PredictionFile, name), nil
		}
	}
	return said, "", lines.Err()
}

// answer compares what the student has found with the hash of what there is to find.
func (j Judge) answer(e *manifest.Exercise) (Verdict, error) {
	raw, err := os.ReadFile(filepath.Join(e.Folder(j.Solution), AnswerFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Verdict{}, fmt.Errorf("read the answer: %w", err)
	}
	text := Normal(string(raw))
	switch sum := sha256.Sum256([]byte(text)); {
	case text == "":
		return red("%s is empty: write down there what you have found", AnswerFile), nil
	case hex.EncodeToString(sum[:]) != e.Answer.SHA256:
		return red("%q is not it", text), nil
	}
	return Verdict{Green: true, Why: "that is it"}, nil
}

// Normal is an answer as its hash is taken: small letters, one space between words, without lines
// that begin with #.
func Normal(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(strings.ToLower(line))...)
		}
	}
	return strings.Join(words, " ")
}

var testSays = regexp.MustCompile(`^\s+(\S+\.go:\d+: .*)`)

// testLine is what the first test that failed says.
func testLine(r mutant.Report) string {
	for line := range strings.Lines(r.Output) {
		if m := testSays.FindStringSubmatch(line); m != nil {
			return strings.TrimSpace(m[1])
		}
	}
	return firstLine(append(r.Failed, "a test fails and says nothing"))
}

// compilerLine is the first thing that the compiler says.
func compilerLine(output string) string {
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return strings.TrimSpace(output)
}

func firstLine(texts []string) string {
	if len(texts) == 0 {
		return "nobody says why"
	}
	line, _, _ := strings.Cut(texts[0], "\n")
	return line
}

func namesOf(experiments []manifest.Experiment) []string {
	var names []string
	for _, e := range experiments {
		names = append(names, e.Name)
	}
	return names
}
