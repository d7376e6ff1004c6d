package grains_test

import (
	"testing"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

func TestTranscript(t *testing.T) { labtest.Transcript(t, "README.md") }

func TestPage(t *testing.T) { labtest.Page(t, "README.md") }
