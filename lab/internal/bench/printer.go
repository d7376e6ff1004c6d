package bench

import (
	"fmt"
	"sync"
	"time"

	"course.example/lab/internal/history"
)

// printer shows lines one after the other in a goroutine of its own. Whoever adds
// a line never waits: a terminal that somebody has stopped with Ctrl-S, or a pager,
// must not stop the processes whose output is read.
type printer struct {
	show func(history.Line)
	done chan struct{}

	mu      sync.Mutex
	some    *sync.Cond
	waiting []history.Line
	dropped int
	closed  bool
}

// maxWaiting bounds the memory that a stopped terminal costs.
const maxWaiting = 100_000

func newPrinter(show func(history.Line)) *printer {
	p := &printer{show: show, done: make(chan struct{})}
	p.some = sync.NewCond(&p.mu)
	go p.run()
	return p
}

// say shows a remark of the lab's own.
func (p *printer) say(format string, args ...any) {
	p.add(history.Line{
		Process: history.Lab, Time: time.Now(), Text: fmt.Sprintf(format, args...),
	})
}

func (p *printer) add(l history.Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) >= maxWaiting || p.closed {
		p.dropped++
		return
	}
	p.waiting = append(p.waiting, l)
	p.some.Signal()
}

func (p *printer) run() {
	defer close(p.done)
	for {
		p.mu.Lock()
		for len(p.waiting) == 0 && !p.closed {
			p.some.Wait()
		}
		lines, dropped, closed := p.waiting, p.dropped, p.closed
		p.waiting, p.dropped = nil, 0
		p.mu.Unlock()
		if p.show != nil {
			for _, l := range lines {
				p.show(l)
			}
			if dropped > 0 {
				p.show(history.Line{Process: history.Lab, Time: time.Now(), Text: fmt.Sprintf(
					"%d lines are not shown: the terminal was too slow", dropped)})
			}
		}
		if closed && len(lines) == 0 {
			return
		}
	}
}

// close shows what is waiting and ends the printer. Safe to call twice.
func (p *printer) close() {
	p.mu.Lock()
	p.closed = true
	p.some.Signal()
	p.mu.Unlock()
	<-p.done
}
