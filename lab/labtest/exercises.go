package labtest

import (
	"context"
	"os"
	"regexp"
	"testing"

	"course.example/lab/internal/exercise"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// Exercises judges every exercise of the step twice: what a student finds must be red, and for the
// reason that the exercise names; the solution must be green.
func Exercises(t *testing.T) {
	t.Helper()
	t.Parallel()
	Sources(t)
	all, err := thisStep(t).Exercises()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("the step has no exercises that can be judged")
	}
	st, err := stage.Open(t.Context(), "test exercises")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for _, e := range all {
		if e.Long && os.Getenv(EnvLong) != "yes" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Run("skeleton", func(t *testing.T) { judgeExercise(t, st, e, false) })
			t.Run("solution", func(t *testing.T) { judgeExercise(t, st, e, true) })
		})
	}
}

func judgeExercise(t *testing.T, st *stage.Stage, e *manifest.Exercise, solution bool) {
	t.Helper()
	v, err := exercise.Judge{Stage: st, Seed: seed(t), Solution: solution}.Judge(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	switch red := regexp.MustCompile(e.Red); {
	case solution && !v.Green:
		t.Errorf("the solution is red: %s\n%q", v.Why, v.More)
	case !solution && v.Green:
		t.Errorf("a student has nothing to do: the skeleton is green: %s", v.Why)
	case !solution && !red.MatchString(v.Why):
		t.Errorf("the skeleton is red because of %q, and not of %q", v.Why, e.Red)
	}
}
