package actors_test

import (
	"testing"

	"course.example/lab/labtest"
)

// The promise of this step, asked of the built programs from outside: every
// experiment of lab.yaml, which are also what make break-12 runs. The wrong
// variants are among them, and must fail. Each silo is a process of its own.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// The slide's code is on the page as it is, and so is what it survives.
func TestSlide(t *testing.T) {
	labtest.Slide(t, "README.md")
}

// What a student finds is red, and the solution is green.
func TestExercises(t *testing.T) {
	labtest.Exercises(t)
}
