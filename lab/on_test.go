package main

import (
	"strings"
	"testing"

	"course.example/lab/internal/manifest"
)

// Most steps run on this machine only, and say so.
func TestRunOnWhereTheStepHasNothingForIt(t *testing.T) {
	t.Parallel()
	err := runOn(t.Context(), &manifest.Step{Name: "07-rabbitmq"}, "kubernetes", nil)
	if err == nil || !strings.Contains(err.Error(), "07-rabbitmq runs on this machine only") {
		t.Errorf("error %v", err)
	}
}
