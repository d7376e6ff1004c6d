package saga

import (
	"fmt"
	"regexp"
	"strings"
)

// What the library draws is DOT, with a table of one row per trigger on each edge.
var (
	edge = regexp.MustCompile(`^\s*(\w+) -> (\w+) \[label=<(.*)>\];`)
	row  = regexp.MustCompile(`<TD ALIGN="LEFT">([^<]*)</TD>`)
)

// transition is an edge of the machine, and the messages that lead along it, with
// their guards.
type transition struct {
	from, to State
	by       []string
}

// String is the transition's name as a crash point.
func (t transition) String() string { return string(t.from) + "-to-" + string(t.to) }

// Diagram is the state machine as a Mermaid diagram. It is made from the machine
// itself, so that the picture in the README cannot tell another story: a test
// compares them.
func Diagram() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stateDiagram-v2\n    [*] --> %s\n", Initially)
	for _, t := range transitions() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", t.from, t.to, strings.Join(t.by, ", "))
	}
	for _, end := range []State{Accepted, Cancelled} {
		fmt.Fprintf(&b, "    %s --> [*]\n", end)
	}
	return b.String()
}

// transitions lists what the machine can do, in the order in which the library
// draws it.
func transitions() []transition {
	s := &Saga{State: Initially}
	dot := s.machine(Rules{Attempts: 3, Compensating: true}, func(Kind) {}).ToGraph()
	var all []transition
	for line := range strings.Lines(dot) {
		m := edge.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		t := transition{from: State(m[1]), to: State(m[2])}
		for _, r := range row.FindAllStringSubmatch(m[3], -1) {
			t.by = append(t.by, strings.ReplaceAll(r[1], "-fm", ""))
		}
		all = append(all, t)
	}
	return all
}
