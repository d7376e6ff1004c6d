package streams_test

import (
	"testing"

	"course.example/lab/labtest"
	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

// The promise of this step, asked of the built programs from outside: every experiment of lab.yaml that
// does not take long, which are also what make break-14 runs. The wrong variants are among them, and must
// fail.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// What the pages show is what a reader will see.
func TestTranscripts(t *testing.T) {
	labtest.Page(t, "MEASUREMENTS.md")
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
