package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ExerciseFile is the name of an exercise's manifest in its folder.
const ExerciseFile = "exercise.yaml"

// Exercise is one task of a step with its judge: exercises/NN-name in the step's folder. What it
// holds is the student's to change; solution/ holds the same files as they should be.
type Exercise struct {
	Dir    string `yaml:"-"` // its folder, absolute
	Step   *Step  `yaml:"-"`
	Name   string `yaml:"-"` // its folder's: 01-acknowledge
	Number string `yaml:"-"` // as a student types it: 07.1

	Title string `yaml:"title"`
	// Kind is mend, build, predict or find.
	Kind string `yaml:"kind"`
	// Red is a regular expression that the verdict on the skeleton matches: for this
	// reason it is red, and not because it does not compile.
	Red   string   `yaml:"red"`
	Hints []string `yaml:"hints"`
	// Long says that judging takes too long for `make test`.
	Long bool `yaml:"long"`

	// Programs are the folders of the exercise that are run in place of the step's
	// processes, by their names: "." is the exercise's own.
	Programs map[string]string `yaml:"programs"`
	// Experiments of the right variant must hold with the student's programs.
	Experiments []string `yaml:"experiments"`
	// More are experiments that only this exercise has.
	More []Experiment `yaml:"more"`

	// Tests says that the tests of the exercise's folder judge. They begin with
	// //go:build exercise, so that nobody else runs them.
	Tests bool `yaml:"tests"`

	// Predict has the student write down what comes of an experiment before it is run.
	Predict *Prediction `yaml:"predict"`

	// Answer has the student find something out and write it into answer.txt.
	Answer *Answer `yaml:"answer"`
}

// Prediction is what is to be foretold of an experiment.
type Prediction struct {
	Experiment string `yaml:"experiment"`
	// Within says for each figure how far off a prediction may be: 3, or 10%.
	Within map[string]string `yaml:"within"`
}

// Answer is a text that is compared by its hash, so that it stands nowhere to be read.
type Answer struct {
	// SHA256 is of the answer in small letters, its words with one space between.
	SHA256 string `yaml:"sha256"`
}

var exerciseName = regexp.MustCompile(`^([0-9]{2})-[a-z0-9-]+$`)

var exerciseKinds = []string{"mend", "build", "predict", "find"}

// mine is the variant under which a student's programs run.
const mine = "exercise"

// Exercises reads the exercises of the step, in order.
func (s *Step) Exercises() ([]*Exercise, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir, "exercises"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for exercises: %w", err)
	}
	var all []*Exercise
	for _, entry := range entries {
		match := exerciseName.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		e, err := s.readExercise(entry.Name(), match[1])
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Exercise reads the exercise of a number: 1.
func (s *Step) Exercise(number string) (*Exercise, error) {
	all, err := s.Exercises()
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, e := range all {
		if strings.TrimLeft(strings.TrimPrefix(e.Number, s.Number+"."), "0") ==
			strings.TrimLeft(number, "0") {
			return e, nil
		}
		numbers = append(numbers, e.Number)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s has no exercises that can be judged", s.Name)
	}
	return nil, fmt.Errorf("%s has no exercise %q: it has %s", s.Name, number,
		strings.Join(numbers, ", "))
}

func (s *Step) readExercise(name, number string) (*Exercise, error) {
	n, _ := strconv.Atoi(number) // two digits
	dir := filepath.Join(s.Dir, "exercises", name)
	path := filepath.Join(dir, ExerciseFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the exercise: %w", err)
	}
	e := &Exercise{Dir: dir, Step: s, Name: name, Number: fmt.Sprintf("%s.%d", s.Number, n)}
	src, err := readYAML(raw, e)
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return nil, src.explain(shown(path), err)
	}
	return e, nil
}

func (e *Exercise) check() error {
	switch {
	case e.Title == "":
		return under(errors.New("is missing"), "title")
	case !slices.Contains(exerciseKinds, e.Kind):
		return wrong("kind", "%q is none of %s", e.Kind, strings.Join(exerciseKinds, ", "))
	case len(e.Hints) > 3:
		return wrong("hints", "there are %d, and three are enough", len(e.Hints))
	case e.Red == "":
		return wrong("red", "is missing: what does the judge say of the skeleton?")
	}
	if _, err := regexp.Compile(e.Red); err != nil {
		return wrong("red", "is no regular expression: %w", err)
	}
	judges := 0
	for _, has := range []bool{len(e.Programs) > 0, e.Tests, e.Predict != nil, e.Answer != nil} {
		if has {
			judges++
		}
	}
	if judges != 1 {
		return errors.New("wants one judge: programs with experiments, tests, predict or answer")
	}
	if e.Predict != nil {
		return under(e.checkPrediction(), "predict")
	}
	return e.checkPrograms()
}

func (e *Exercise) checkPrograms() error {
	if (len(e.Programs) > 0) != (len(e.Experiments)+len(e.More) > 0) {
		return wrong("programs", "experiments and programs go together")
	}
	for _, name := range sortedKeys(e.Programs) {
		if _, ok := e.Step.Process(name); !ok {
			return under(fmt.Errorf("there is no process %q%s", name,
				didYouMean(name, e.Step.kinds())), "programs", name)
		}
		if !filepath.IsLocal(e.Programs[name]) {
			return wrong("programs", "%q is no folder of the exercise", e.Programs[name])
		}
	}
	for i, name := range e.Experiments {
		found, err := e.Step.Experiment(name)
		if err == nil && found.Variant != Right {
			err = fmt.Errorf("%s is of the variant %s", name, found.Variant)
		}
		if err != nil {
			return under(err, "experiments", strconv.Itoa(i))
		}
	}
	for i := range e.More {
		more := &e.More[i]
		more.Variant = Right // it promises what the right one does
		if more.Settle == 0 {
			more.Settle = e.Step.SettleWith(more.Load)
		}
		if err := checkPlain(more.Name, e.Experiments); err != nil {
			return under(err, "more", strconv.Itoa(i), "name")
		}
		if err := e.Step.checkExperiment(more); err != nil {
			return under(err, "more", strconv.Itoa(i))
		}
	}
	return nil
}

func (e *Exercise) checkPrediction() error {
	if _, err := e.Step.Experiment(e.Predict.Experiment); err != nil {
		return under(err, "experiment")
	}
	if len(e.Predict.Within) == 0 {
		return wrong("within", "is missing: which figures are to be foretold?")
	}
	for _, name := range sortedKeys(e.Predict.Within) {
		if _, err := ParseCondition(name, "0"); err != nil {
			return under(err, "within", name)
		}
		if _, err := tolerance(e.Predict.Within[name], 1); err != nil {
			return under(err, "within", name)
		}
	}
	return nil
}

// tolerance is how far off a prediction of a value may be.
func tolerance(text string, value float64) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is neither a number nor a percentage", text)
	}
	if percent {
		n = n / 100 * value
	}
	return n, nil
}

// Near says whether a prediction of a figure was near enough to what it was.
func (p *Prediction) Near(figure string, said, was float64) bool {
	within, err := tolerance(p.Within[figure], was)
	return err == nil && max(said-was, was-said) <= within
}

// Run is the step with the student's programs in place of its own, and what they must hold. With
// solution, the programs of the solution are taken.
func (e *Exercise) Run(solution bool) (*Step, []Experiment, error) {
	step := *e.Step
	v := Variant{Name: mine, Programs: map[string]string{}}
	for name, folder := range e.Programs {
		at := filepath.Join(e.Folder(solution), folder)
		within, err := filepath.Rel(step.Dir, at)
		if err != nil {
			return nil, nil, fmt.Errorf("find the exercise: %w", err)
		}
		v.Programs[name] = "./" + filepath.ToSlash(within)
	}
	step.Variants = append(slices.Clone(step.Variants), v)
	var all []Experiment
	for _, name := range e.Experiments {
		one, err := step.Experiment(name)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	all = append(all, e.More...)
	for i := range all {
		all[i].Variant = mine
		if all[i].Limit == 0 {
			all[i].Limit = Duration(3 * time.Second) // a skeleton may never get done
		}
	}
	return &step, all, nil
}

// Folder is where the student's files are, or those of the solution.
func (e *Exercise) Folder(solution bool) string {
	if solution {
		return filepath.Join(e.Dir, "solution")
	}
	return e.Dir
}

// Replace are the student's files for which the solution has others, and those.
func (e *Exercise) Replace() (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(e.Folder(true), "*"))
	if err != nil {
		return nil, fmt.Errorf("look for the solution: %w", err)
	}
	replace := map[string]string{}
	for _, file := range files {
		replace[filepath.Join(e.Dir, filepath.Base(file))] = file
	}
	if len(replace) == 0 {
		return nil, fmt.Errorf("%s has no solution", e.Name)
	}
	return replace, nil
}
