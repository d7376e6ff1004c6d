package bench

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"
)

// maxLine bounds what one line may cost: a process gone wild must not take the
// lab with it.
const maxLine = 64 << 10

// lines is an io.Writer that cuts what a process writes into lines. It is safe
// for concurrent use, because stdout and stderr share one.
type lines struct {
	emit func([]byte)

	mu      sync.Mutex
	pending []byte
}

func (w *lines) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		w.add(p[:i])
		w.flush()
		p = p[i+1:]
	}
	w.add(p)
	return n, nil
}

func (w *lines) add(p []byte) {
	if room := maxLine - len(w.pending); len(p) > room {
		p = p[:max(0, room)]
		for len(p) > 0 && !utf8.Valid(p[len(p)-1:]) {
			p = p[:len(p)-1]
		}
	}
	w.pending = append(w.pending, p...)
}

func (w *lines) flush() {
	w.emit(w.pending)
	w.pending = w.pending[:0]
}

// end passes on a last line that has no end.
func (w *lines) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 {
		w.flush()
	}
}

var _ io.Writer = (*lines)(nil)
