package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Process names one process so that it can be told from a later one with the same number.
type Process struct {
	Pid int `json:"pid"`
	// Start is the process's start time in the form the system keeps it: opaque, only equal
	// or not equal to another.
	Start string `json:"start"`
	// Name is for people: "rabbitmq", "consumer-1".
	Name string `json:"name,omitempty"`
	// Group says that the process leads a process group of its own, killed along with it.
	Group bool `json:"group,omitempty"`
}

// ErrGone says that no such process runs: it ended, or it is a zombie nobody has waited for.
var ErrGone = errors.New("process is gone")

// Identify looks the running process pid up. The error wraps [ErrGone] when there is none.
func Identify(pid int) (Process, error) {
	start, err := startTime(pid)
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return Process{Pid: pid, Start: start}, nil
}

// Alive reports whether this very process still runs, not another with its number.
func (p Process) Alive() bool {
	now, err := startTime(p.Pid)
	return err == nil && now == p.Start
}

// Signal sends sig to the process, and to its group when it leads one. When the process has
// ended, or its number now belongs to another, it does nothing and returns [ErrGone].
func (p Process) Signal(sig os.Signal) error {
	// A handle taken before the look at the start time cannot come to mean another process
	// between the look and the signal where the system has such handles (Linux, Windows).
	handle, err := os.FindProcess(p.Pid)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.Pid, ErrGone)
	}
	defer handle.Release() //nolint:errcheck // Release has nothing to report once it was found.
	if !p.Alive() {
		return fmt.Errorf("process %d: %w", p.Pid, ErrGone)
	}
	if p.Group {
		if err := signalGroup(p.Pid, sig); err == nil {
			return nil
		}
	}
	if err := handle.Signal(sig); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("process %d: %w", p.Pid, ErrGone)
		}
		return fmt.Errorf("signal process %d: %w", p.Pid, err)
	}
	return nil
}

// End sends sig to the process alone, waits for at most grace until it is gone, and then kills
// it and its group. It reports whether the process still ran. The end of the context cuts the
// waiting short, not the kill.
func (p Process) End(ctx context.Context, sig os.Signal, grace time.Duration) (bool, error) {
	alone := p
	alone.Group = false
	switch err := alone.Signal(sig); {
	case errors.Is(err, ErrGone):
		return false, nil
	case err != nil:
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if p.awaitEnd(ctx) == nil {
		return true, nil
	}
	if err := p.Signal(os.Kill); err != nil && !errors.Is(err, ErrGone) {
		return true, err
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), killGrace)
	defer cancel()
	return true, p.awaitEnd(ctx)
}

// killGrace is how long the system may take to end a process after SIGKILL.
const killGrace = 5 * time.Second

// awaitEnd polls, because only a process's parent can wait for it.
func (p Process) awaitEnd(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s (pid %d) still runs: %w", p.Name, p.Pid, ctx.Err())
		}
	}
	return nil
}
