package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const plainExercise = `title: Mend it
kind: mend
red: promised lost 0
programs: {consumer: .}
experiments: [kill]
hints: [one, two]
`

// Slips in an exercise.yaml are said with file and line, as in a lab.yaml.
func TestOddExercises(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, slideStep))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"experiments: [kill]", "more: [{name: own, load: {count: 3}}]", ""},
		{"experiments: [kill]", "more: [{name: own, load: {count: 3, work: 1ms}}]", ""},
		{"kind: mend", "kind: mand", `exercise.yaml:2: kind: "mand" is none of mend, build, predict, find`},
		{"title: Mend it\n", "", "title: is missing"},
		{"red: promised lost 0\n", "", "red: is missing"},
		{"red: promised lost 0", "red: (", "exercise.yaml:3: red: is no regular expression"},
		{"hints:", "hnts:", "exercise.yaml:6: hnts: there is no such key here: did you mean hints?"},
		{"[one, two]", "[1, 2, 3, 4]", "hints: there are 4, and three are enough"},
		{"{consumer: .}", "{consumr: .}", `there is no process "consumr": did you mean consumer?`},
		{"{consumer: .}", "{consumer: ../02-other}", `"../02-other" is no folder of the exercise`},
		{"[kill]", "[kil]", `there is no experiment "kil": did you mean kill?`},
		{"[kill]", "[wrong-calm]", "wrong-calm is of the variant wrong"},
		{"experiments: [kill]\n", "", "programs: experiments and programs go together"},
		{"experiments: [kill]", "more: [{name: own, load: {count: 3}, shows: {lost: 3}}]",
			"shows: is for a wrong variant"},
		{"programs: {consumer: .}\nexperiments: [kill]", "tests: true\nanswer: {sha256: a}",
			"wants one judge"},
		{"programs: {consumer: .}\nexperiments: [kill]", "predict: {experiment: kill, within: {lots: 3}}",
			"no run has such a figure: did you mean lost?"},
		{"programs: {consumer: .}\nexperiments: [kill]", "predict: {experiment: kill, within: {lost: few}}",
			`"few" is neither a number nor a percentage`},
		{"programs: {consumer: .}\nexperiments: [kill]", "predict: {experiment: kill}",
			"within: is missing"},
	} {
		dir := filepath.Join(t.TempDir(), filepath.Base(step.Dir))
		one := *step
		one.Dir = dir
		at := filepath.Join(dir, "exercises", "01-mend")
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		text := plainExercise
		if c.old != "" {
			if !strings.Contains(text, c.old) {
				t.Fatalf("case %d changes nothing", i)
			}
			text = strings.Replace(text, c.old, c.new, 1)
		}
		if err := os.WriteFile(filepath.Join(at, ExerciseFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := one.Exercises()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.new, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
}

// What a student's programs are judged by is what the right variant promises.
func TestExerciseRunsTheStudentsPrograms(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, slideStep))
	if err != nil {
		t.Fatal(err)
	}
	e := &Exercise{
		Dir: filepath.Join(step.Dir, "exercises", "01-mend"), Step: step,
		Programs: map[string]string{"consumer": "."}, Experiments: []string{"kill"},
	}
	for solution, want := range map[bool]string{
		false: "./exercises/01-mend", true: "./exercises/01-mend/solution",
	} {
		run, all, err := e.Run(solution)
		if err != nil || len(all) != 1 || len(all[0].Promises) < 5 {
			t.Fatalf("%v, %+v", err, all)
		}
		v, err := run.Variant(all[0].Variant)
		if err != nil || v.Programs["consumer"] != want {
			t.Errorf("solution %t: %v runs %v, want %s", solution, err, v.Programs, want)
		}
	}
	if _, err := step.Variant(mine); err == nil {
		t.Error("the step itself has got another variant")
	}
}

func TestWhatBreaksServers(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, plainStep))
	if err != nil {
		t.Fatal(err)
	}
	for act, want := range map[string]bool{
		"kill rabbitmq": true, "restart redis-3": true, "pause every redis": true,
		"kill consumer-1": false, "cut every consumer": false, "poison 3": false,
	} {
		e := Experiment{Faults: Timeline{{Acts: []string{act}}}}
		if got := step.BreaksServers(e); got != want {
			t.Errorf("%s breaks a server: %t", act, got)
		}
	}
}
