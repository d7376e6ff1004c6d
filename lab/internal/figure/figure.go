// Package figure has what can be said of a run in one number: what a condition of lab.yaml may
// name. [Table] is the place where a figure is added.
package figure

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Figure is one number of a run.
type Figure struct {
	// Name is how a condition names it.
	Name string
	// Family says that the name goes on, and so says of whom: processed by consumer-2.
	Family bool
	// About says in one line what it is.
	About string
	// Of says which runs have it.
	Of Source
	// Rule says how its bounds are written, which values it can have, and how a
	// value is shown.
	Rule Rule
	// Implied is the bound that every right experiment promises without saying so.
	Implied string
	// Machine says that it hangs on how fast the machine is: a customer who waits
	// too long gives up, and a queue that is worked off slowly is full.
	Machine bool
	// Column says that the table of verdicts has a column for it.
	Column bool
	// Value is its value in a run. The error says what was missing where the run
	// cannot tell: what nobody has observed is not 0.
	Value func(*Facts, Ask) (float64, error)
}

// Source is what a figure is seen in.
type Source int

// The sources there are.
const (
	Orders    Source = iota // what became of the orders that customers placed
	Singles                 // what customers with one order each were told
	Faults                  // how the shop fared after the first fault
	Log                     // an attribute of the log lines
	Telemetry               // what the receiver of the telemetry was sent
	Program                 // a program that runs once
)

// Ask is what a condition wants to know.
type Ask struct {
	Name string // the rest of the name of a figure that is a family
	Text string // the bound as written; for what is printed, a regular expression
}

// Facts are what was observed in one run.
type Facts struct {
	Ledger     ledger.Summary `json:"ledger"`
	Lost       int            `json:"lost"`
	Refused    int            `json:"refused"`
	Unanswered int            `json:"unanswered"` // of the refused
	Crashes    int            `json:"crashes,omitempty"`
	CrashLoops int            `json:"crash_loops,omitempty"`
	// Highest are the largest values of the attributes that conditions name. One
	// that no line of the log had is not among them.
	Highest map[string]float64 `json:"highest,omitempty"`
	// InFlight is how many orders the broken processes may have held at the
	// faults, all together.
	InFlight int `json:"in_flight"`
	// Recovery is the longest silence after the first fault; see [Recovery].
	Recovery time.Duration `json:"recovery"`
	// Telemetry is what the receiver of the run's telemetry has to say of it.
	Telemetry map[string]float64 `json:"telemetry,omitempty"`
	History   history.Run        `json:"history"`
	// Once is what a program that runs once did; nil for any other step.
	Once *Once `json:"once,omitempty"`
}

// Once is what a program that runs once came to.
type Once struct {
	Exit  int           `json:"exit"`
	Took  time.Duration `json:"took"` // negative when it had to be killed
	Lines []string      `json:"lines"`
}

// Find returns the figure of that name, and of a family also of whom it is asked.
func Find(name string) (f Figure, of string, ok bool) {
	for _, f := range Table {
		if f.Name == name && !f.Family {
			return f, "", true
		}
		if of, ok := strings.CutPrefix(name, f.Name); ok && f.Family && of != "" {
			return f, of, true
		}
	}
	return Figure{}, "", false
}

// Implied are the figures whose bound every right experiment promises.
func Implied() []Figure {
	return slices.DeleteFunc(slices.Clone(Table), func(f Figure) bool { return f.Implied == "" })
}

// Promised is what every right experiment promises without saying so, for a reader.
func Promised() string {
	var texts []string
	for _, f := range Implied() {
		texts = append(texts, fmt.Sprintf("%s %s", f.Name, f.Implied))
	}
	return strings.Join(texts, ", ")
}
