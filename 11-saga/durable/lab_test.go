package durable

import (
	"testing"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

func TestPage(t *testing.T) { labtest.Page(t, "README.md") }
