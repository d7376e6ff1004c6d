//go:build unix

package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

// TestMain lets the test binary play a parent that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("CHILD_TEST_PARENT") != "" {
		p, err := child.Start(child.Spec{Name: "sleep", Path: "sleep", Args: []string{"300"}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(p.Pid())
		_, _ = fmt.Scanln() // until killed
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, spec child.Spec) *child.Process {
	t.Helper()
	p, err := child.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.KillGroup(); err != nil {
			t.Error(err)
		}
		<-p.Done()
	})
	return p
}

func shell(script string) child.Spec {
	return child.Spec{Name: "script", Path: "sh", Args: []string{"-c", script}, Tail: 5}
}

// ready waits for the line the script prints when its traps are set.
func ready(t *testing.T, p *child.Process) {
	t.Helper()
	await(t, "the script to be ready", func() bool { return slices.Contains(p.Tail(), "ready") })
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}

func TestHowAChildEnds(t *testing.T) {
	t.Parallel()
	obedient := `trap 'echo got TERM; exit 0' TERM; trap 'echo got INT; exit 3' INT
		echo ready; while :; do sleep 0.05; done`
	tests := []struct {
		name, script string
		end          func(*child.Process) error
		wantErr      string // how it ended
		wantLine     string
	}{
		{"terminate", obedient, (*child.Process).Terminate, "", "got TERM"},
		{"interrupt", obedient, (*child.Process).Interrupt, "exit status 3", "got INT"},
		{"kill", obedient, (*child.Process).Kill, "signal: killed", ""},
		{"paused, then terminate", obedient, func(p *child.Process) error {
			return errors.Join(p.Pause(), p.Terminate())
		}, "", "got TERM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, shell(tt.script))
			ready(t, p)
			if p.Err() != nil {
				t.Errorf("a running child has error %v", p.Err())
			}
			if err := tt.end(p); err != nil {
				t.Fatal(err)
			}
			<-p.Done()
			switch err := p.Err(); {
			case tt.wantErr == "" && err != nil:
				t.Errorf("ended with %v, want code 0", err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("ended with %v, want %s", err, tt.wantErr)
			}
			if tt.wantLine != "" && !slices.Contains(p.Tail(), tt.wantLine) {
				t.Errorf("output %q, want %q", p.Tail(), tt.wantLine)
			}
			for _, again := range []func() error{p.Kill, p.Terminate, p.KillGroup} {
				if err := again(); err != nil {
					t.Errorf("on a child that ended: %v", err)
				}
			}
		})
	}
}

func TestStopKillsTheWholeGroupOfAStubbornChild(t *testing.T) {
	t.Parallel()
	p := start(t, shell(`trap '' TERM; sleep 300 & echo $!; echo ready; while :; do wait; done`))
	ready(t, p)
	var pid int
	if _, err := fmt.Sscan(p.Tail()[0], &pid); err != nil {
		t.Fatal(err)
	}
	grandchild, err := home.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Stop(50 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stop said %v, want that it had to kill", err)
	}
	await(t, "the grandchild to be gone", func() bool { return !grandchild.Alive() })
}

func TestPausedChildIsStoppedUntilResumed(t *testing.T) {
	t.Parallel()
	p := start(t, shell(`echo ready; while :; do sleep 0.05; done`))
	ready(t, p)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	await(t, "the child to stop", func() bool { return state(t, p.Pid()) == "T" })
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	await(t, "the child to run on", func() bool { return state(t, p.Pid()) != "T" })
}

func state(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out[:1])
}

func TestRecordLivesAsLongAsTheChild(t *testing.T) {
	t.Parallel()
	records := home.NewChildren(filepath.Join(t.TempDir(), "children"))
	spec := shell(`echo ready; sleep 300`)
	spec.Record = records
	p := start(t, spec)
	all, err := records.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Pid != p.Pid() || all[0].Name != "script" || !all[0].Alive() {
		t.Errorf("records %+v, want the one of pid %d", all, p.Pid())
	}
	if err := p.KillGroup(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if all, err = records.List(); err != nil || len(all) != 0 {
		t.Errorf("records after the end: %+v, %v", all, err)
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	p := start(t, shell(`for i in 1 2 3 4 5 6 7; do echo line $i; done; printf 'no end' >&2`))
	<-p.Done()
	want := []string{"line 3", "line 4", "line 5", "line 6", "line 7", "no end"}
	got := p.Tail()
	slices.Sort(got) // the two streams have no order between them
	if !slices.Equal(got, want) {
		t.Errorf("tail %q, want %q", got, want)
	}
}

func TestMissingProgramIsAClearError(t *testing.T) {
	t.Parallel()
	_, err := child.Start(child.Spec{Name: "rabbitmq", Path: "/no/such/program"})
	if err == nil || !strings.Contains(err.Error(), "start rabbitmq") {
		t.Errorf("error %v, want it to name what was started", err)
	}
}

func TestGrandchildHoldingTheOutputDoesNotHangTheEnd(t *testing.T) {
	t.Parallel()
	p := start(t, shell(`sleep 300 & echo ready`))
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the child ended, but was not seen to end")
	}
	if p.Err() != nil {
		t.Errorf("ended with %v, want code 0", p.Err())
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal; elsewhere the sweep takes its place")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "CHILD_TEST_PARENT=1")
	stdin, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	orphan, err := home.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	await(t, "the child to die with its parent", func() bool { return !orphan.Alive() })
}

func TestRunsAsAnotherUser(t *testing.T) {
	t.Parallel()
	name, err := child.Unprivileged("postgres", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if name != "" {
			t.Errorf("account %q, want none: only root may change it", name)
		}
		return
	}
	spec := shell(`id -un`)
	spec.User, spec.Dir = name, "/"
	p := start(t, spec)
	<-p.Done()
	if got := p.Tail(); !slices.Equal(got, []string{name}) {
		t.Errorf("ran as %q, want %q", got, name)
	}
}
