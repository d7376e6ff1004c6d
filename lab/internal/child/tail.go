package child

import (
	"bytes"
	"io"
	"sync"
)

// maxLine bounds how much of one line is kept: a server may write without ever ending one.
const maxLine = 4096

// tail keeps the last lines that were written.
type tail struct {
	mu   sync.Mutex
	max  int
	kept []string
	open []byte // the line that has no end yet
}

func newTail(n int) *tail { return &tail{max: n} }

// tee returns writers that also feed the tail. Equal writers stay equal, because exec.Cmd then
// uses one pipe and keeps the order of the lines.
func (t *tail) tee(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	out := t.with(stdout)
	if stdout == stderr {
		return out, out
	}
	return out, t.with(stderr)
}

func (t *tail) with(w io.Writer) io.Writer {
	if w == nil {
		return t
	}
	return io.MultiWriter(t, w)
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		t.open = append(t.open, line[:min(len(line), maxLine-len(t.open))]...)
		if !ended {
			return n, nil
		}
		t.keep(string(bytes.TrimRight(t.open, "\r")))
		t.open, b = t.open[:0], rest
	}
}

func (t *tail) keep(line string) {
	if len(t.kept) == t.max {
		copy(t.kept, t.kept[1:])
		t.kept = t.kept[:t.max-1]
	}
	t.kept = append(t.kept, line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := append([]string(nil), t.kept...)
	if len(t.open) > 0 {
		out = append(out, string(t.open))
	}
	return out
}
