package deployment_test

import (
	"testing"

	"course.example/lab/labtest"
)

// The promise of this step, asked of the built programs from outside: every experiment of
// lab.yaml, which are also what make break-15 runs. The wrong variants are among them, and must
// fail.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// What the page shows is what there is.
func TestPage(t *testing.T) {
	labtest.Page(t, "README.md", "MEASUREMENTS.md")
}

// The slide's code is on the page as it is, and so is what it survives.
func TestSlide(t *testing.T) {
	labtest.Slide(t, "README.md")
}

// What a student finds is red, and for the stated reason; each solution is green.
func TestExercises(t *testing.T) {
	labtest.Exercises(t)
}
