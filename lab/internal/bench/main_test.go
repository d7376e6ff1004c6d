package bench_test

import (
	"fmt"
	"os"
	"testing"
)

// toyDir is where the toy is built, once for all tests.
var toyDir string

func TestMain(m *testing.M) { os.Exit(inTempDir(m)) }

func inTempDir(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bench-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	toyDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
