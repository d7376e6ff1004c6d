package bench

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// record is all that is known of a run: the ledger of its orders and the history of what
// happened. Its methods are safe for concurrent use, and call nobody with the lock held but
// Config.Watch.
type record struct {
	keep   bool
	gauges []string
	watch  func(ledger.Event, ledger.Verdict)
	// printer is told of lines that almost say something.
	printer *printer

	mu        sync.Mutex
	ledger    ledger.Ledger
	history   history.Run // without Lives, which the supervisor knows
	lastEvent time.Time   // of any event
	progress  time.Time   // of the last event that changed what is open or done
	refused   int
	// unanswered are the customers among the refused who got no answer.
	unanswered int
	highest    map[string]float64 // by name of the gauge
	slips      map[string]bool    // lines that almost say something, by what was said of them
	conclusion conclusion
}

// conclusion is what was found out at the end of a run.
type conclusion struct {
	waits string       // see Status
	book  *ledger.Book // nil when the step keeps none
}

func (r *record) conclude(change func(*conclusion)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.conclusion)
}

func newRecord(cfg Config, variant string, printer *printer) *record {
	return &record{
		keep: cfg.Keep, gauges: cfg.Gauges, watch: cfg.Watch, highest: map[string]float64{},
		printer: printer, slips: map[string]bool{},
		history: history.Run{Step: cfg.Step.Name, Variant: variant, Started: time.Now()},
	}
}

// observe takes a line of a process: an event of an order, the value of a gauge.
func (r *record) observe(line history.Line) {
	if event, ok := line.Event(); ok {
		r.add(event)
	} else if slip := line.Slip(); slip != "" {
		r.tell(line.Process, slip)
	}
	for _, name := range r.gauges {
		value, err := strconv.ParseFloat(line.Attr(name), 64)
		if err != nil || math.IsNaN(value) {
			continue // most lines do not have it
		}
		r.mu.Lock()
		if highest, seen := r.highest[name]; !seen || value > highest {
			r.highest[name] = value
		}
		r.mu.Unlock()
	}
}

// tell says what is wrong with a line that almost says something, once: each of its orders will
// look lost.
func (r *record) tell(process, slip string) {
	r.mu.Lock()
	told := r.slips[slip]
	r.slips[slip] = true
	r.mu.Unlock()
	if !told {
		r.printer.say("%s: not in the ledger: %s", process, slip)
	}
}

// add takes an event into the ledger.
func (r *record) add(e ledger.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	verdict := r.ledger.Add(e)
	r.lastEvent = time.Now()
	if e.Kind != ledger.Received {
		// To receive an order again and again is no progress.
		r.progress = r.lastEvent
	}
	if r.keep {
		r.history.Events = append(r.history.Events, e)
	}
	if r.watch != nil {
		r.watch(e, verdict)
	}
}

func (r *record) mark(act string, fault bool, inFlight int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Marks = append(r.history.Marks, history.Mark{
		Time: time.Now(), Act: act, Fault: fault, InFlight: inFlight,
	})
}

// LoadEnded marks the moment from which silence is no wonder.
func (r *record) LoadEnded() { r.mark(history.LoadEnds, false, 0) }

func (r *record) answered(a history.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep {
		r.history.Answers = append(r.history.Answers, a)
	}
}

// refuse counts orders that were not accepted. One without an answer is among them.
func (r *record) refuse(n int, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused += n
	if !answered {
		r.unanswered += n
	}
	if r.keep {
		// One for each customer, as the count has it: the picture shows them all.
		r.history.Refused = append(r.history.Refused,
			slices.Repeat([]time.Time{time.Now()}, n)...)
	}
}

// Highest are the largest numbers that any line of the log had as the attributes that
// [Config.Gauges] names. One that no line had is not among them.
func (r *record) Highest() map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.highest)
}

// Open lists some of the accepted orders that have no end yet.
func (r *record) Open(limit int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.Open(limit)
}

// pulse is how many orders are open, and when something last happened.
func (r *record) pulse() (open int, lastEvent, progress time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.Summary().Open, r.lastEvent, r.progress
}

func (r *record) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	account, differs := r.ledger.Summary().By(r.conclusion.book)
	return Status{
		Summary: account, Refused: r.refused, Unanswered: r.unanswered,
		Elapsed: time.Since(r.history.Started),
		Waits:   r.conclusion.waits, Differs: differs,
	}
}

// copy is the history so far, which nobody changes any more.
func (r *record) copy() history.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.history
	h.Ended = time.Now()
	h.Events, h.Marks = slices.Clone(h.Events), slices.Clone(h.Marks)
	h.Refused, h.Answers = slices.Clone(h.Refused), slices.Clone(h.Answers)
	return h
}
