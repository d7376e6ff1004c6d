//go:build unix

package home_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"course.example/lab/internal/home"
)

const (
	termSignal = syscall.SIGTERM
	lateSignal = syscall.SIGWINCH // which a shell handles after a SIGTERM, if both have come
)

// group starts a shell that leads a process group and prints the number of its child; more is
// what they print then.
func group(t *testing.T, script string) (lead, child home.Process, more *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // most are dead already
		_ = cmd.Wait()
	})
	more = bufio.NewReader(out)
	line, err := more.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	if lead, err = home.Identify(cmd.Process.Pid); err == nil {
		child, err = home.Identify(pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	lead.Group = true
	return lead, child, more
}
