package child

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

func sysProcAttr(spec Spec) (*syscall.SysProcAttr, error) {
	if spec.User != "" {
		return nil, fmt.Errorf("run as %s: %w", spec.User, errors.ErrUnsupported)
	}
	flags := uint32(windows.CREATE_NEW_PROCESS_GROUP)
	if spec.Detached {
		flags |= windows.DETACHED_PROCESS
	}
	return &syscall.SysProcAttr{CreationFlags: flags}, nil
}

// Unprivileged always answers with the parent's own account.
func Unprivileged(...string) (string, error) { return "", nil }

// Chown is for the accounts of [Unprivileged], of which there are none here.
func Chown(path, name string) error {
	if name == "" {
		return nil
	}
	return fmt.Errorf("give %s to %s: %w", path, name, errors.ErrUnsupported)
}

// terminate sends what a console program can hear; only CTRL_BREAK can be sent to one group.
func terminate(p *Process) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
	}
	err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid()))
	if err != nil {
		return fmt.Errorf("send CTRL_BREAK to %s (pid %d): %w", p.spec.Name, p.Pid(), err)
	}
	return nil
}

func interrupt(p *Process) error { return terminate(p) }

func killGroup(p *Process) error { return p.Signal(os.Kill) }

func pause(p *Process, on bool) error {
	return fmt.Errorf("pause %s: %w", p.spec.Name, errors.ErrUnsupported)
}
