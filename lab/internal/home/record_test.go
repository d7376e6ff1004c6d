//go:build unix

package home_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"course.example/lab/internal/home"
)

// Only a run of this machine whose owner lives is alive, and only one whose owner does not is dead.
func TestWhoIsAliveAndWhoIsDead(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	mine, err := home.Open("run 07")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	killed := dead(t)
	leave(t, killed)
	foreign := mine.Record() // its owner's number lives here, as another process's
	foreign.ID, foreign.Where = "0101-000000-far", "another-machine pid:[1]"
	leave(t, foreign)
	foreignDead := killed
	foreignDead.ID, foreignDead.Where = "0101-000000-gone", "another-machine pid:[1]"
	leave(t, foreignDead)

	live, err := home.Live()
	gone, err2 := home.Dead()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if len(live) != 1 || live[0].ID != mine.ID() {
		t.Errorf("alive: %+v, want %s alone", live, mine.ID())
	}
	if len(gone) != 1 || gone[0].ID != killed.ID {
		t.Errorf("dead: %+v, want %s alone", gone, killed.ID)
	}
}

// What `lab up` has started is found again by every later command.
func TestServersThatOutliveARun(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	first, err := home.OpenUp()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Dir()); err != nil || first.ID() != "up" {
		t.Errorf("the folder of %s: %v", first.ID(), err)
	}
	err = first.Update(func(r *home.Record) { r.Extra = map[string]string{"rabbitmq": "amqp://x"} })
	if err != nil {
		t.Fatal(err)
	}
	second, err := home.OpenUp()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"rabbitmq": "amqp://x"}
	if got := second.Record(); !maps.Equal(got.Extra, want) || got.Command != "up" {
		t.Errorf("found again: %+v", got)
	}
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() //nolint:errcheck // it is killed, and says so
	if err := first.Add(cmd.Process.Pid, "rabbitmq", false); err != nil {
		t.Fatal(err)
	}
	if all, err := second.List(); err != nil || len(all) != 1 || all[0].Name != "rabbitmq" {
		t.Errorf("its children: %+v, %v", all, err)
	}
	if killed, err := second.Kill(); err != nil || len(killed) != 1 {
		t.Errorf("killed %+v, %v", killed, err)
	}
	if killed, err := second.Kill(); err != nil || len(killed) != 0 {
		t.Errorf("killed again: %+v, %v", killed, err)
	}
	broken := filepath.Join(first.Dir(), "lab.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if up, err := home.OpenUp(); err == nil {
		t.Errorf("a record that cannot be read is %+v", up.Record())
	}
}

// A record that somebody holds does not change with the run's, nor the run's with it.
func TestRecordIsACopy(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	temp, err := run.MkdirTemp("data")
	if err != nil {
		t.Fatal(err)
	}
	err = run.Update(func(r *home.Record) { r.Extra["key"] = "value" })
	if err != nil {
		t.Fatal(err)
	}
	held := run.Record()
	held.Extra["key"], held.Temps[0] = "other", "/other"
	got := run.Record()
	if got.Extra["key"] != "value" || !slices.Equal(got.Temps, []string{temp}) {
		t.Errorf("the run's record is now %+v", got)
	}
	dir, err := run.Mkdir("db")
	if info, statErr := os.Stat(dir); err != nil || statErr != nil || !info.IsDir() {
		t.Errorf("folder %s: %v, %v", dir, err, statErr)
	}
	// Servers that run as another user must get through to theirs.
	if info, err := os.Stat(run.Dir()); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the run's folder: %v, %v", info.Mode(), err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if exists(temp) || exists(run.Dir()) {
		t.Error("folders are left after the run was closed")
	}
}

// A run that could not be taken down whole is taken up again, and says so.
func TestCloseThatFailsCanBeRepeated(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := run.Update(func(r *home.Record) { r.Temps = []string{foreign} }); err != nil {
		t.Fatal(err)
	}
	if err := run.Close(); err == nil || !exists(foreign) {
		t.Errorf("closed with %v, and the folder that is not ours is there: %v", err, exists(foreign))
	}
	if err := run.Update(func(r *home.Record) { r.Temps = nil }); err != nil {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil || exists(run.Dir()) {
		t.Errorf("closed again: %v, and the folder is there: %v", err, exists(run.Dir()))
	}
}

func TestChildrenThatAreNone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "children")
	children := home.NewChildren(dir)
	if err := children.Remove(1 << 22); err != nil {
		t.Errorf("forgetting one that was never added: %v", err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if err := children.Add(ended.Process.Pid, "done", false); err != nil {
		t.Errorf("recording one that has ended: %v", err)
	}
	if all, err := children.List(); err != nil || len(all) != 0 {
		t.Errorf("recorded: %+v, %v", all, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".new-1": "half", "readme": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := children.List(); err != nil || len(all) != 0 {
		t.Errorf("files that are no records: %+v, %v", all, err)
	}
	// A child that nobody can name any more may still run: that must not go unsaid.
	if err := os.WriteFile(filepath.Join(dir, "1.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, listErr := children.List()
	_, killErr := children.Kill()
	for _, err := range []error{listErr, killErr} {
		if err == nil || !strings.Contains(err.Error(), "1.json") {
			t.Errorf("a record that cannot be read: %v", err)
		}
	}
}

// A server's own children are ended with it, where it leads a group.
func TestSignalReachesTheGroup(t *testing.T) {
	t.Parallel()
	lead, child, _ := group(t, `trap '' TERM; sleep 300 & echo $!; while :; do wait; done`)
	if err := lead.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, lead)
	awaitEnd(t, child)
}
