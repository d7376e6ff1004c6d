package serialization_test

import (
	"testing"

	"course.example/lab/labtest"
)

// The promise of this step, asked of the built programs from outside.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// What the pages show is what a reader will see.
func TestTranscripts(t *testing.T) {
	labtest.Page(t, "README.md", "MEASUREMENTS.md")
	labtest.Transcript(t, "README.md")
}

// The slide's code is on the page as it is, and so is what it survives.
func TestSlide(t *testing.T) {
	labtest.Slide(t, "README.md")
}

// What a student finds is red, and the solution is green.
func TestExercises(t *testing.T) {
	labtest.Exercises(t)
}
