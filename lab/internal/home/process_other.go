//go:build !linux

package home

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/shirou/gopsutil/v4/process"
)

// startTime returns the time at which pid started, in milliseconds since 1970: outside of
// Linux the system keeps it so, and it does not move with the clock.
func startTime(pid int) (string, error) {
	p, err := process.NewProcess(int32(pid))
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return "", ErrGone
	}
	if err != nil {
		return "", err
	}
	ms, err := p.CreateTime()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrGone, err)
	}
	if states, err := p.Status(); err == nil {
		for _, s := range states {
			if s == process.Zombie {
				return "", ErrGone
			}
		}
	}
	return strconv.FormatInt(ms, 10), nil
}

// where is the same everywhere on these systems: they have no process namespaces, and the
// name of a laptop changes with the network it is in.
func where() string { return "" }
