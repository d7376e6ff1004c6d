package eventsourcing

import (
	"os"
	"strings"
	"testing"

	"course.example/lab/labtest"
	"course.example/lab/services/servicestest"
	"go.uber.org/goleak"
)

// The promise of this step, asked of the built programs from outside: every experiment of
// lab.yaml, which are also what make break-13 runs. The wrong variants are among them, and
// must fail.
func TestExperiments(t *testing.T) {
	labtest.Experiments(t)
}

// What the README shows is what a reader will see.
func TestTranscripts(t *testing.T) {
	labtest.Page(t, "MEASUREMENTS.md")
	labtest.Transcript(t, "README.md")
}

// What the page shows as the slide's code is the slide's code.
func TestThePageShowsTheSlide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("slide/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(code), "\n"); n > 60 {
		t.Errorf("the slide's code has %d lines, and a slide has room for 60", n)
	}
	_, shown, _ := strings.Cut(string(page), "```go\n")
	shown, _, _ = strings.Cut(shown, "```")
	if shown == "" || !strings.Contains(string(code), shown) {
		t.Errorf("the page shows what is not in slide/main.go:\n%s", shown)
	}
}

// The slide's program is on the page as it is, and so is what it survives.
func TestSlide(t *testing.T) {
	labtest.Slide(t, "README.md")
}

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	servicestest.Shared(t, "postgres")
	others := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) {
		s, pool := onDatabase(t)
		p := NewProducer(pool, s)
		start(t, p.Run)
		project(t, pool, s, everyProjection...)
		place(t, p, 3)
		drained(t, pool)
	})
	goleak.VerifyNone(t, others)
}

// What a student finds is red, and the solution is green.
func TestExercises(t *testing.T) {
	labtest.Exercises(t)
}
