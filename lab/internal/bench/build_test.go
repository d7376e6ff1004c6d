package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// Programs of one name are not taken for each other.
func TestEveryProcessRunsItsOwnProgram(t *testing.T) {
	t.Parallel()
	step, err := manifest.Read(mustAbs(t, "testdata/97-twins"))
	if err != nil {
		t.Fatal(err)
	}
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := bench.Build(t.Context(), step, []string{manifest.Right}, run.Dir(), false, run.Children)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	b, err := bench.Start(t.Context(), bench.Config{Step: step, Run: run, Bin: bin, Show: r.show})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Do(t.Context(), "poison 1")
	if err == nil || !strings.Contains(err.Error(), "this is c") {
		t.Errorf("the tool is another program: %v", err)
	}
	if err := errors.Join(b.Close(t.Context()), run.Close()); err != nil {
		t.Fatal(err)
	}
	if !r.has("first", "this is a") || !r.has("second-1", "this is b") {
		t.Errorf("lines: %+v", r.lines)
	}
}

// While the compiler works it is recorded, so that whoever cleans up after a lab that was killed
// can end it; and it ends when the lab gives up.
func TestTheCompilerIsARecordedChild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the compiler's stand-in is a shell script")
	}
	step, err := manifest.Read(mustAbs(t, "testdata/98-once"))
	if err != nil {
		t.Fatal(err)
	}
	tools, record := t.TempDir(), home.NewChildren(t.TempDir())
	script := []byte("#!/bin/sh\nexec sleep 600\n")
	if err := os.WriteFile(filepath.Join(tools, "go"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(filepath.ListSeparator)+"/bin:/usr/bin")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := bench.Build(ctx, step, []string{manifest.Right}, t.TempDir(), false, record)
		ended <- err
	}()
	await(t, "the compiler to be recorded", func() bool {
		children, err := record.List()
		return err == nil && len(children) == 1 && children[0].Name == "go build"
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if children, err := record.List(); err != nil || len(children) > 0 {
		t.Errorf("left behind: %v, %v", children, err)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
