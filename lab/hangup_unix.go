//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// readerGone says that nobody will ever read what is written to f: the other end of the pipe was
// closed, poll(2).
func readerGone(f *os.File) bool {
	poll := []unix.PollFd{{Fd: int32(f.Fd())}} // errors are told without being asked for
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}
