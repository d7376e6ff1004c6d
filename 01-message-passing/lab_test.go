package main

import (
	"testing"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

func TestTranscript(t *testing.T) { labtest.Transcript(t, "README.md") }

func TestPage(t *testing.T) { labtest.Page(t, "README.md", "MEASUREMENTS.md") }

// The slide's code is on the page as it is, and so is what it survives.
func TestSlide(t *testing.T) { labtest.Slide(t, "README.md") }

// What a student finds is red, and the solution is green.
func TestExercises(t *testing.T) { labtest.Exercises(t) }
