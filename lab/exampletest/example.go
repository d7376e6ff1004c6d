// Package exampletest lets Example functions use the helpers of tests.
package exampletest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

// Run runs the body of an Example function, which has no testing.TB of its own, with one for
// the helpers of tests: servers, cleanups, a context that ends before the cleanups. What goes wrong
// is printed, and so is not the output that the example promises. Of testing.TB it has what such
// helpers call: Cleanup, Context, Error, Fatal, Helper, Log, Name, TempDir and their kin.
func Run(body func(testing.TB)) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &exampleTB{ctx: ctx}
	inGoroutine(func() { body(t) })
	cancel()
	for len(t.cleanups) > 0 { // the last first; one may add another
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		inGoroutine(last)
	}
}

// inGoroutine lets f end by Fatal.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// exampleTB is the part of testing.TB that Run promises. The rest is nil.
type exampleTB struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
	failed   atomic.Bool
}

func (t *exampleTB) Helper()                   {}
func (t *exampleTB) Name() string              { return "Example" }
func (t *exampleTB) Context() context.Context  { return t.ctx }
func (t *exampleTB) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *exampleTB) Log(args ...any)           { fmt.Fprintln(os.Stderr, args...) }
func (t *exampleTB) Logf(f string, a ...any)   { t.Log(fmt.Sprintf(f, a...)) }
func (t *exampleTB) Failed() bool              { return t.failed.Load() }
func (t *exampleTB) Errorf(f string, a ...any) { t.Error(fmt.Sprintf(f, a...)) }
func (t *exampleTB) Fatal(args ...any)         { t.Error(args...); runtime.Goexit() }
func (t *exampleTB) Fatalf(f string, a ...any) { t.Fatal(fmt.Sprintf(f, a...)) }

func (t *exampleTB) Error(args ...any) {
	t.failed.Store(true)
	fmt.Println(append([]any{"error:"}, args...)...)
}

func (t *exampleTB) TempDir() string {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
