//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

func TestReaderGone(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if readerGone(write) {
		t.Error("the reader is there")
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	if !readerGone(write) {
		t.Error("nobody reads any more, and that was not seen")
	}
}

// A broken connection raises SIGPIPE, too. The lab breaks connections on purpose and must not end
// of it.
func TestBrokenConnectionDoesNotEndTheLab(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		signal os.Signal
		gone   bool
		ends   bool
	}{
		{"a connection broke", syscall.SIGPIPE, false, false},
		{"the output's reader has ended", syscall.SIGPIPE, true, true},
		{"the window was closed", syscall.SIGHUP, false, true},
	}
	for _, c := range cases {
		signals := make(chan os.Signal, 1)
		signals <- c.signal
		close(signals)
		ended := false
		listen(signals, func() bool { return c.gone }, func() { ended = true })
		if ended != c.ends {
			t.Errorf("%s: ends %t, want %t", c.name, ended, c.ends)
		}
	}
}
