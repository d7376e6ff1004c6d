//go:build unix

package main

import (
	"errors"
	"fmt"
	"syscall"
)

// beNice lets a process, and those that it starts from now on, have what others leave of the
// processors.
func beNice(pid int) error {
	err := syscall.Setpriority(syscall.PRIO_PROCESS, pid, 19)
	if err != nil && !errors.Is(err, syscall.ESRCH) { // it may have ended already
		return fmt.Errorf("lower the priority of a process: %w", err)
	}
	return nil
}
