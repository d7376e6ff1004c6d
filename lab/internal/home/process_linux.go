package home

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// startTime returns the clock tick since boot at which pid started, with the boot's id. A time
// of day would not do here: Linux has to compute it from the clock, so that it moves when the
// clock is set, and a living owner would look dead (see proc_pid_stat(5), field 22).
func startTime(pid int) (string, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrGone
	}
	if err != nil {
		// The process can end between the opening and the reading (ESRCH).
		return "", fmt.Errorf("%w: %w", ErrGone, err)
	}
	// The second field is the program's name in brackets and may hold spaces and brackets.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	const state, start = 0, 19
	if len(fields) <= start {
		return "", fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	if s := fields[state][0]; s == 'Z' || s == 'X' {
		return "", ErrGone
	}
	boot, err := bootID()
	if err != nil {
		return "", err
	}
	return string(fields[start]) + "@" + boot, nil
}

var bootID = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot's id: %w", err)
	}
	return string(bytes.TrimSpace(raw)), nil
})

// where names the set of process numbers this process lives in. A checkout can be shared with
// a container or, over the network, with another machine; their numbers mean nothing here.
func where() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		ns = "pid:?"
	}
	return host + " " + ns
}
