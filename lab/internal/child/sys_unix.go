//go:build unix

package child

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

func sysProcAttr(spec Spec) (*syscall.SysProcAttr, error) {
	// A detached child gets a session too: closing the terminal must not reach it.
	attr := &syscall.SysProcAttr{Setpgid: !spec.Detached, Setsid: spec.Detached}
	if !spec.Detached {
		setParentDeath(attr)
	}
	if spec.User != "" {
		account, err := user.Lookup(spec.User)
		if err != nil {
			return nil, err
		}
		uid, gid, err := ids(account)
		if err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attr, nil
}

// Unprivileged returns the first of the named accounts that exists, to run servers as that
// refuse to be run by root. Empty and no error when this process is not root.
func Unprivileged(names ...string) (string, error) {
	if os.Geteuid() != 0 {
		return "", nil
	}
	for _, name := range names {
		if account, err := user.Lookup(name); err == nil && account.Uid != "0" {
			return name, nil
		}
	}
	return "", fmt.Errorf("none of the accounts %v exists on this system", names)
}

// Chown gives path to the named account; an empty name changes nothing.
func Chown(path, name string) error {
	if name == "" {
		return nil
	}
	account, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, gid, err := ids(account)
	if err != nil {
		return err
	}
	return os.Lchown(path, int(uid), int(gid))
}

func ids(account *user.User) (uid, gid uint32, err error) {
	u, err1 := strconv.ParseUint(account.Uid, 10, 32)
	g, err2 := strconv.ParseUint(account.Gid, 10, 32)
	return uint32(u), uint32(g), errors.Join(err1, err2)
}

func terminate(p *Process) error { return p.Signal(syscall.SIGTERM) }
func interrupt(p *Process) error { return p.Signal(syscall.SIGINT) }

func killGroup(p *Process) error {
	err := syscall.Kill(-p.Pid(), syscall.SIGKILL)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill group of %s (pid %d): %w", p.spec.Name, p.Pid(), err)
	}
	return nil
}

func pause(p *Process, on bool) error {
	if on {
		return p.Signal(syscall.SIGSTOP)
	}
	return p.Signal(syscall.SIGCONT)
}
