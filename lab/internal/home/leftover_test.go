//go:build unix

package home_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// dead is the record of a run whose owner is gone, as it would be on this machine.
func dead(t *testing.T) home.Record {
	t.Helper()
	run, err := home.Open("run 98")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	r := run.Record()
	r.ID, r.Owner.Start = "0101-000000-dead", "1@long-ago"
	return r
}

// leave writes a run's folder as its owner would have left it.
func leave(t *testing.T, r home.Record, files ...string) string {
	t.Helper()
	dir := filepath.Join(os.Getenv(home.EnvDir), "runs", r.ID)
	raw, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "lab.json"), raw, 0o600)
	}
	for _, name := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// A checkout may be shared with a container or another machine, whose runs look dead from here.
func TestSweepLeavesWhatRunsElsewhere(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	r := dead(t)
	r.Where = "another-machine pid:[1]"
	dir := leave(t, r)
	var said []string
	if err := home.Sweep(func(line string) { said = append(said, line) }); err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(dir, "lab.json")) {
		t.Error("the run of another machine was swept")
	}
	if len(said) != 1 || !strings.Contains(said[0], "another-machine") {
		t.Errorf("said %q, want one line that names the other machine", said)
	}
	live, err := home.Live()
	gone, err2 := home.Dead()
	if err := errors.Join(err, err2); err != nil || len(live)+len(gone) != 0 {
		t.Errorf("from here it is neither alive (%v) nor dead (%v); %v", live, gone, err)
	}
}

// A record is a file that somebody may have edited.
func TestSweepRemovesNoFolderThatTheLabDidNotMake(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.Mkdir(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	r := dead(t)
	r.Temps = []string{precious}
	dir := leave(t, r)
	err := home.Sweep(func(string) {})
	if err == nil || !strings.Contains(err.Error(), precious) {
		t.Errorf("swept with %v, want an error that names %s", err, precious)
	}
	if !exists(precious) {
		t.Error("a folder that the lab did not make was removed")
	}
	if !exists(filepath.Join(dir, "lab.json")) {
		t.Error("the record is gone before all that it names")
	}
}

// One run that cannot be swept does not keep the others from it.
func TestSweepGoesOn(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	broken, fine := dead(t), dead(t)
	broken.ID = "0101-000000-aaaa" // comes first
	broken.Temps = []string{t.TempDir()}
	leave(t, broken)
	dir := leave(t, fine, "data")
	gone, err := home.Dead()
	if err != nil || len(gone) != 2 || gone[0].ID != broken.ID || gone[1].Command != "run 98" {
		t.Errorf("dead: %+v, %v", gone, err)
	}
	var said []string
	if err := home.Sweep(func(line string) { said = append(said, line) }); err == nil {
		t.Error("nothing was said of the run that cannot be swept")
	}
	if exists(dir) || len(said) != 1 || !strings.Contains(said[0], fine.ID) {
		t.Errorf("said %q; the other run is still there: %v", said, exists(dir))
	}
}

// A folder without a record may be in the making; only one that has been so for long is not.
func TestSweepLeavesWhatIsBeingMade(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	dead(t) // makes the folder of runs
	runs := filepath.Join(os.Getenv(home.EnvDir), "runs")
	young, old := filepath.Join(runs, ".new-1"), filepath.Join(runs, ".new-2")
	for _, dir := range []string{young, old} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if err := home.Sweep(func(string) {}); err != nil {
		t.Fatal(err)
	}
	if !exists(young) || exists(old) {
		t.Errorf("the young is there: %v, the old: %v", exists(young), exists(old))
	}
}

// A number that now belongs to another process must not be signalled, nor waited for.
func TestProcessIsKnownByItsStartToo(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		_ = cmd.Wait()
	})
	real, err := home.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := real
	other.Start = "1@long-ago"
	if other.Alive() || !real.Alive() {
		t.Errorf("alive: the real one %v, the one before it %v", real.Alive(), other.Alive())
	}
	for _, group := range []bool{false, true} {
		other.Group = group
		if err := other.Signal(os.Kill); !errors.Is(err, home.ErrGone) {
			t.Errorf("signal to one that is gone (group: %v): %v", group, err)
		}
	}
	if ran, err := other.End(t.Context(), os.Kill, time.Minute); ran || err != nil {
		t.Errorf("the one before it still ran: %v, %v", ran, err)
	}
	if !real.Alive() {
		t.Error("another process was killed in its place")
	}
}

// Who does not end when asked is killed, with its group.
func TestEndKillsTheGroupOfAStubbornProcess(t *testing.T) {
	t.Parallel()
	lead, child, _ := group(t, `trap '' TERM; sleep 300 & echo $!; while :; do wait; done`)
	ran, err := lead.End(t.Context(), termSignal, 50*time.Millisecond)
	if !ran || err != nil {
		t.Errorf("it still ran: %v, %v", ran, err)
	}
	if lead.Alive() {
		t.Error("the leader still runs")
	}
	awaitEnd(t, child)
	if ran, err := lead.End(t.Context(), termSignal, time.Minute); ran || err != nil {
		t.Errorf("ended again: %v, %v", ran, err)
	}
}

// A server drains its own children when it is asked to end: nobody else asks them.
func TestEndAsksTheProcessAlone(t *testing.T) {
	t.Parallel()
	lead, child, more := group(t, `trap 'exit 0' TERM
		sh -c 'trap "echo asked" TERM; trap "echo not asked; exit" WINCH; echo $$
			while :; do sleep 0.05; done' &
		while :; do wait; done`)
	ran, err := lead.End(t.Context(), termSignal, time.Minute)
	if !ran || err != nil || lead.Alive() {
		t.Errorf("it still ran: %v, %v; and runs: %v", ran, err, lead.Alive())
	}
	if err := child.Signal(lateSignal); err != nil {
		t.Fatal(err)
	}
	if line, err := more.ReadString('\n'); line != "not asked\n" {
		t.Errorf("its child was %q, %v", line, err)
	}
}
