//go:build race

package main

import (
	"os/exec"
	"testing"
)

// The race detector is for our code. TestThreeSilos runs without it, in a
// process of its own: see there.
func TestCluster(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(),
		"go", "test", "-count=1", "-run", "^TestThreeSilos$", "-v", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
