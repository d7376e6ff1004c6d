// Package history has the types of what happened in a run: the events, the lines of the
// processes, the faults. Whoever judges, draws or shows a run needs them, and not the bench on
// which it took place.
package history

import (
	"time"

	"course.example/lab/internal/ledger"
)

// Run is all that happened in one run, for the verdict and for drawing.
type Run struct {
	Step    string         `json:"step"`
	Variant string         `json:"variant"`
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Events  []ledger.Event `json:"events"`
	Marks   []Mark         `json:"marks"`
	Lives   []Life         `json:"lives"`
	// Refused has a time for every order that the shop did not take.
	Refused []time.Time `json:"refused"`
	// Answers are those to customers with one order each.
	Answers []Answer `json:"answers"`
}

// Answer is what one customer was told, and after how long.
type Answer struct {
	Time     time.Time     `json:"time"` // of the answer
	Took     time.Duration `json:"took"`
	Accepted bool          `json:"accepted"` // or else refused, or no answer at all
	Order    string        `json:"order,omitempty"`
}

// Mark is an act of the lab's: a fault or its end.
type Mark struct {
	Time time.Time `json:"time"`
	Act  string    `json:"act"`
	// Fault says that something was broken, rather than mended or asked for.
	Fault bool `json:"fault"`
	// InFlight is how many orders the broken processes may have held.
	InFlight int `json:"in_flight"`
}

// Life is the time that a process was up.
type Life struct {
	Process string    `json:"process"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	End     string    `json:"end"`
}

// Lab is the name under which the lab's own remarks are shown.
const Lab = "lab"

// LoadEnds is the act of the mark made when no customer comes any more.
const LoadEnds = "the load ends"
