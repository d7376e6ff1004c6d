// Package page shows a run to people in a hall: where every order is, what waits, what was broken,
// and the ledger in large figures. It is one web page without a request to anywhere else.
//
// Nothing is drawn while nobody looks, and what is measured is not slowed down by those who do: of
// many orders only some are shown, and the page says so. The figures count all.
package page

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

const (
	// tick is how often the page is told what has happened.
	tick = 100 * time.Millisecond
	// shown is how many events of orders it is told at most in a tick.
	shown = 60
	// kept is how many events are kept for a picture of the run: those of the last minutes.
	kept = 20_000
)

// Process is one process, as the page shows it.
type Process struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	State    string `json:"state"` // up, coming, paused or down
	Held     int    `json:"held"`  // orders that it has received and not answered for
	Impaired bool   `json:"impaired,omitempty"`
}

// Service is a server that the processes use.
type Service struct {
	Name  string `json:"name"`
	Up    bool   `json:"up"`
	Owned bool   `json:"owned"` // the lab may break it
}

// Look is the run at one moment.
type Look struct {
	Sum       ledger.Summary `json:"sum"`
	Refused   int            `json:"refused"`
	Lost      int            `json:"lost"` // known at the end of a run only
	Over      bool           `json:"over,omitempty"`
	Processes []Process      `json:"processes"`
	Services  []Service      `json:"services,omitempty"`
	Waits     int            `json:"waits"` // in the middle; -1 when nobody can tell
	Wrong     string         `json:"wrong,omitempty"`
}

// Run is what the page shows. Its methods are safe for concurrent use.
type Run interface {
	// Look looks at the run. It may take a while: it asks the servers what waits.
	Look(context.Context) Look
	// Do carries out an act, as lab do has it.
	Do(ctx context.Context, act string) (string, error)
	// Try breaks something under a burst of orders, mends it, waits until all is quiet, and says what
	// has come of it.
	Try(ctx context.Context, act string) (Outcome, error)
	// History has the marks and the lives of the run; the events are the page's.
	History() history.Run
}

// Outcome is what came of one fault.
type Outcome struct {
	Accepted   int `json:"accepted"`
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`
	Refused    int `json:"refused"`
}

// step is an event of an order, as the page is told of it.
type step struct {
	Order   string         `json:"o"`
	Kind    ledger.Kind    `json:"k"`
	Verdict ledger.Verdict `json:"v"`
	Process string         `json:"p"`
}

// frame is what the page is told in a tick.
type frame struct {
	At    int64  `json:"at"`    // ms since the start of the run
	Steps []step `json:"steps"` // of the orders that are shown
	OneOf int    `json:"oneOf"` // of so many orders one is shown
	Look
	Marks []mark `json:"marks,omitempty"` // since the last tick
}

type mark struct {
	At    int64  `json:"at"`
	Act   string `json:"act"`
	Fault bool   `json:"fault"`
}

// Page is the page of one run. Its methods are safe for concurrent use.
type Page struct {
	begun time.Time

	mu      sync.Mutex
	steps   []step
	oneOf   uint32 // of so many orders one is shown
	held    map[string]string
	holding map[string]int // by process
	events  []ledger.Event // a ring, for the picture
	next    int            // where the next of them goes, once the ring is full
	viewers map[chan []byte]bool
}

// New returns the page of a run that begins now.
func New() *Page {
	return &Page{
		begun: time.Now(), oneOf: 1, held: map[string]string{}, holding: map[string]int{},
		viewers: map[chan []byte]bool{},
	}
}

// Event takes an event of an order, with what the ledger says of it. It is quick.
func (p *Page) Event(e ledger.Event, v ledger.Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(e)
	p.keep(e)
	if len(p.viewers) == 0 || hash(e.Order)%p.oneOf != 0 {
		return
	}
	p.steps = append(p.steps, step{e.Order, e.Kind, v, e.Process})
	if len(p.steps) > shown { // too many: from now on every other one
		p.oneOf *= 2
		p.steps = slices.DeleteFunc(p.steps, func(s step) bool { return hash(s.Order)%p.oneOf != 0 })
	}
}

// hold counts what a process has in work.
func (p *Page) hold(e ledger.Event) {
	if e.Kind == ledger.Accepted {
		return
	}
	if before, ok := p.held[e.Order]; ok {
		p.holding[before]--
		delete(p.held, e.Order)
	}
	if e.Kind == ledger.Received {
		p.held[e.Order] = e.Process
		p.holding[e.Process]++
	}
}

func (p *Page) keep(e ledger.Event) {
	if len(p.events) < kept {
		p.events = append(p.events, e)
		return
	}
	p.events[p.next] = e
	p.next = (p.next + 1) % kept
}

// recent are the events that are kept, in order.
func (p *Page) recent() []ledger.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.events[p.next:], p.events[:p.next])
}

// Holding is how many orders a process has received and not answered for. A process that has ended
// holds nothing any more: see [Page.Gone].
func (p *Page) Holding(process string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holding[process]
}

// Gone forgets what a process had in work: it has ended.
func (p *Page) Gone(process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holding[process] == 0 {
		return
	}
	for order, by := range p.held {
		if by == process {
			delete(p.held, order)
		}
	}
	delete(p.holding, process)
}

// hash says whether an order is shown: all that happens to it, or nothing.
func hash(order string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(order)) // it never fails
	return h.Sum32()
}

// take are the steps since the last tick. When few orders come, more of them are shown.
func (p *Page) take() (steps []step, oneOf int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps, oneOf = p.steps, int(p.oneOf)
	p.steps = nil
	if len(steps) < shown/4 && p.oneOf > 1 {
		p.oneOf /= 2
	}
	return steps, oneOf
}

// join begins to tell a viewer; leave ends it.
func (p *Page) join() (told chan []byte, leave func()) {
	told = make(chan []byte, 50) // five seconds: who is slower misses something
	p.mu.Lock()
	defer p.mu.Unlock()
	p.viewers[told] = true
	return told, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.viewers, told)
	}
}

// watched says whether anybody looks.
func (p *Page) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.viewers) > 0
}

// tell tells all viewers. Nobody waits for one who does not listen.
func (p *Page) tell(message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for v := range p.viewers {
		select {
		case v <- message:
		default:
		}
	}
}

// marksFrom are the acts of a run that came after the first n, and how many there are now.
func (p *Page) marksFrom(h history.Run, n int) ([]mark, int) {
	var marks []mark
	for _, m := range h.Marks[min(n, len(h.Marks)):] {
		marks = append(marks, mark{p.since(m.Time), m.Act, m.Fault})
	}
	return marks, cmp.Or(len(h.Marks), n)
}

func (p *Page) since(t time.Time) int64 { return t.Sub(p.begun).Milliseconds() }
