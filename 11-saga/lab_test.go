package saga

import (
	"testing"

	"course.example/lab/labtest"
)

// The promise of this step, asked of the built programs from outside: every
// experiment of lab.yaml, which are also what make break-11 runs. The wrong
// variants are among them, and must fail.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// What the README shows is what a reader will see.
func TestTranscripts(t *testing.T) {
	labtest.Page(t, "README.md")
	labtest.Transcript(t, "README.md")
}
