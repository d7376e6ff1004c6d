package actors_test

import (
	"testing"

	"course.example/lab/labtest"
)

// The page's transcript is compared with a real run, and nothing of lab.yaml may be missing on the pages.
func TestPage(t *testing.T) {
	labtest.Page(t, "README.md", "MEASUREMENTS.md")
	labtest.Transcript(t, "README.md")
}
