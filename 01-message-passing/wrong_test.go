package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The racing code runs in a program of its own: in the tests, which run with
// -race, it would be their own race.

// TestSharedMemoryLosesUpdates: both read, then both write, so of two updates one
// is lost, every time and on every machine.
func TestSharedMemoryLosesUpdates(t *testing.T) {
	t.Parallel()
	program := build(t)
	for variant, want := range map[string]string{
		"shared-memory": "added 2000, counted 1000, lost 1000",
		"right":         "sent 2000, counted 2000, lost 0",
	} {
		out, err := start(t, program, variant)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, want %q in\n%s", variant, err, want, out)
		}
	}
}

// Left to chance it may lose nearly all or nothing at all: a test that hopes for
// either would fail one day. What is sure is that it never counts too much.
func TestSharedMemoryByChance(t *testing.T) {
	t.Parallel()
	out, err := start(t, build(t), "shared-memory")
	chance := regexp.MustCompile(`chance: added 2000000, counted \d+, lost \d+\n`) // not -3
	if err != nil || !chance.MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRaceDetector: the detector finds the race in the wrong variant, in the lines
// that MEASUREMENTS.md says, and none in the right one. It needs cgo, and cgo a C
// compiler; go run ./lab test provides one, and go run ./lab doctor says how to
// get one.
func TestRaceDetector(t *testing.T) {
	t.Parallel()
	program := build(t, "-race")
	out, err := start(t, program, "shared-memory")
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.ExitCode() != 66 { // its own exit code
		t.Errorf("the detector let the shared counter pass: %v", err)
	}
	page, err := os.ReadFile("MEASUREMENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`wrong\.go:\d+`).FindAllString(string(page), -1)
	if len(lines) != 2 {
		t.Errorf("MEASUREMENTS.md shows %q, want a read and a write", lines)
	}
	for _, want := range append(lines, "WARNING: DATA RACE") {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the report:\n%s", want, out)
		}
	}
	if out, err := start(t, program, "right"); err != nil || strings.Contains(out, "DATA RACE") {
		t.Errorf("the mailbox: %v\n%s", err, out)
	}
}

// In a call the receiver's panic is the sender's own.
func TestPanicInCall(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	defer func() {
		if recover() == nil {
			t.Error("the sender survived its receiver")
		}
		if strings.Contains(out.String(), "Counter: 3") {
			t.Errorf("got an answer from a dead receiver:\n%s", &out)
		}
	}()
	err := showPanicInCall(t.Context(), &out)
	t.Errorf("it returned %v", err)
}

// Behind a mailbox the sender knows nothing, and waits as long as it can.
func TestPanicInMailbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		began := time.Now()
		err := showPanicInMailbox(t.Context(), &out)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != patience {
			t.Errorf("after %v the sender got %v", time.Since(began), err)
		}
		if !strings.Contains(out.String(), "Counter: 2") ||
			!strings.Contains(out.String(), "the receiver is gone: the receiver breaks") {
			t.Errorf("got\n%s", &out)
		}
	})
}

// What is mistyped is answered with what there is.
func TestMistakes(t *testing.T) {
	t.Parallel()
	program := build(t)
	for args, want := range map[string]string{
		"-variant luck": "there is no variant", "-n x": "invalid value", "-m 3": "-h lists the flags",
		"-n -1": "0 to 10000 messages", "-n 10001": "0 to 10000 messages",
	} {
		out, err := start(t, program, "", strings.Fields(args)...)
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(out, want) {
			t.Errorf("%s: %v, want %q in\n%s", args, err, want, out)
		}
	}
}

// programs are built once for all tests, in a folder that TestMain removes.
var programs struct {
	mu  sync.Mutex
	dir string
	by  map[string]string // path by flags
}

func build(t *testing.T, flags ...string) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	key := strings.Join(flags, " ")
	if program, built := programs.by[key]; built {
		return program
	}
	if programs.dir == "" {
		dir, err := os.MkdirTemp("", "conversation")
		if err != nil {
			t.Fatal(err)
		}
		programs.dir, programs.by = dir, map[string]string{}
	}
	program := filepath.Join(programs.dir, "conversation"+key)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	args := append([]string{"build", "-buildvcs=false", "-o", program}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %v: %v\n%s", flags, err, out)
	}
	programs.by[key] = program
	return program
}

func start(t *testing.T, program, variant string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "VARIANT="+variant, "DELAY=1ms")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
